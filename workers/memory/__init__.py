"""Long-term memory: what closed cases taught about a customer, a vendor or a topic, with its source, origin and end."""
