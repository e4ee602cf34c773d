"""Faults: the service is killed, its servers are restarted, its connections are cut, and then everything is counted.

A `Trial` (trial.py) is one service as a child process, clients that push batches through every door and send again
until they are told OK (load.py, doors.py), a consumer of the events (announced.py), and at the end an audit (audit.py):
what was acknowledged is there exactly once, in the state it must have, and nothing else is there.

    population.py   what is sent, and what it must become
    service.py      the child process: started with a failpoint, killed, paused, stopped
    proxy.py        a TCP proxy that loses replies and cuts connections
    campaign.py     deaths of every kind, one after another, chosen by a seed

What is paid for has books of its own: the vendor's bill, the ledger and the receipts (money_books.py).

    money.py            a trial with a vendor of the sandbox that outlives the service
    money_buyers.py     who is asked for, again and again
    money_campaign.py   deaths around paid calls, while the vendor fails in every way
    money_office.py     an engine in the test's own process that buys, for what needs no death

`./dev bench kills --count N` runs the same trial for as long as one likes (bench/kills.py), `./dev bench
money --kills N` that of the money (bench/money.py).
"""
