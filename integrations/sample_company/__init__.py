"""The embedded counterpart: a made-up outdoor shop with CRM, helpdesk, payments, risk desk, mail and site in one SQLite file.

Registered like any vendor and reached over the same Reader and Writer protocols (`integrations.base`), so that demo, tests
and a fresh installation exercise the very path that a real vendor would. `company` holds the two objects to use, `cast` the
people to meet, `shopfront` what customers do, `sender` the webhooks out, `faults` the bad days.
"""
