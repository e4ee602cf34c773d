"""5  providers: everyone who knows something about people, and the way there.

A provider answers questions (`contract`), and nothing else: whether it is asked, how often, how fast and at what price
is decided outside of it. Each field has a waterfall of providers; the engine asks the next one only after a miss.

- `contract`    what a provider is; the closed set of outcomes a call can end in
- `waterfall`   pure: who is asked for what next, and what an outcome means for a contact
- `demanding`   values that are not taken as they come; `checks` an address that is shown to verifiers first
- `dispatcher`  one per provider, shared by all actors: `fair` turns, `limiter`, `breaker`, retries
- `directory`   the user's own people; `email_pattern` proposes addresses from what the directory shows
- `email_check` whether an address can be right: its form, and its domain's mail by DNS (`mail_domains`)
- `http`        any JSON API that can be described: `template`, `request`, `paths`
- `dialects/`   one file per vendor
- `transport`   one bounded HTTP call, and what is proved about it when it fails; `verdict` makes that an outcome
- `values`, `person`  one form for every value; what can be told of a person without asking anybody

Guarantee: an error never reads as a miss, and a paid call that may have been sent and got no answer is `unknown`, never
sent again by itself. A provider raises for its own bugs only. Failures: the far end's are outcomes; the settings' are a
ConfigError before anything starts, with the place and the remedy.

`des.testing.provider` holds the checks that every provider passes, and yours should.
"""
