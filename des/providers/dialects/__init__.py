"""Dialects: how one vendor's API talks, one file each.

A dialect is data first: a `Dialect` says what can be asked, what each status means, what is charged and when, what the
vendor permits. Beside it stands a small adapter that builds one request from a contact and reads one body. Retries,
limits, budgets and the choice of who is asked are not its concern (see `des.providers.contract`).

What a vendor's documentation did not let us check is marked "unchecked" where it stands.
"""
