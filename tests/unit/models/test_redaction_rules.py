"""Classes of data: what the shipped file says, what an installation changes, and what is refused."""

from __future__ import annotations

import pytest

from integrations.models.redaction import Redaction, kept_key


def rules(**given):
    return Redaction.from_settings(b"k", **given)


def test_shipped_sources_have_their_classes_and_others_the_careful_ones():
    assert rules().classes(["zendesk"]) == {"personal"}
    assert rules().classes(["github", "stripe"]) == {"public", "personal", "payment"}
    assert rules().classes(["a-new-shop"]) == {"personal", "payment"}


def test_the_setting_comes_before_the_file_and_the_file_before_what_is_shipped(tmp_path):
    file = tmp_path / "privacy.yaml"
    file.write_text(
        "sources: {zendesk: [internal], crm: [vip]}\n"
        "classes: {vip: {redact: [name, customer_number], local_only: true}}\n"
        "patterns: {customer_number: 'KD-######'}\n"
    )
    found = rules(file=file, data_classes="zendesk=public, erp = internal+payment")

    assert found.classes(["zendesk"]) == {"public"}
    assert found.classes(["crm"]) == {"vip"}
    assert found.classes(["erp"]) == {"internal", "payment"}
    assert found.classes(["stripe"]) == {"personal", "payment"}
    assert found.wanted(frozenset({"vip"})).patterns["customer_number"].search("KD-123456")


def test_what_may_leave_is_said_by_every_class_together():
    found = rules()
    assert found.may_leave({"personal", "payment"})
    assert not found.may_leave({"personal", "restricted"})
    assert not found.may_leave({"a class that nobody explained"})


def test_classes_add_up():
    assert rules().wanted(frozenset({"public", "personal"})).kinds >= {"email", "phone", "card"}
    assert "email" not in rules().wanted(frozenset({"payment"})).kinds


def test_a_fields_name_is_known_by_its_end():
    found = rules()
    assert found.hint("customer_email") == "email"
    assert found.hint("billing_address") == "address"
    assert found.hint("order_id") == found.hint("created_at") == "identifier"
    assert found.hint("text") == ""


@pytest.mark.parametrize(
    ("data_classes", "text", "said"),
    [
        ("zendesk", "", "write it as"),
        ("zendesk=", "", "write it as"),
        ("zendesk=persona", "", "there are internal, payment, personal"),
        ("", "classes: {personal: {redact: [e-mail]}}", "'e-mail'"),
        ("", "classes: {personal: {redakt: [email]}}", "redakt"),
        ("", "patterns: {email: '###'}", "like a kind that there is"),
        ("", "patterns: {own: 'abc'}", "needs a place that varies"),
        ("", "fields: {iris: [eye]}", "'iris'"),
        ("", "a: [", "no YAML"),
    ],
)
def test_what_makes_no_sense_refuses_the_start(tmp_path, data_classes, text, said):
    file = tmp_path / "privacy.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        rules(file=file, data_classes=data_classes)


def test_a_folder_keeps_its_key_and_nobody_else_reads_it(tmp_path):
    key = kept_key(tmp_path / "var")
    assert key == kept_key(tmp_path / "var")
    assert len(key) == 64
    assert (tmp_path / "var" / "redaction_key").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["redaction_key"]
