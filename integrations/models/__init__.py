"""Language models behind one interface (`base.Model`): the local model and Anthropic's."""
