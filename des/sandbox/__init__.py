"""A provider server for rehearsals: it talks the vendors' dialects, fails on demand and counts the bills.

    python -m des.sandbox --port 8090 --people 10000 --seed 1

- `population`  who exists: people and companies made from a seed, with the mess of real data
- `vendors/`    one file per vendor: its routes, its terms, its answers
- `inquiry`     one person as a vendor is asked about them
- `desk`        what happens to every request, whoever it is for: limit, fault, answer, bill, fault
- `faults`      what goes wrong, how often, from a seed
- `book`        the account book: calls and credits by vendor and person; credits left; permitted rates
- `webhooks`    what vendors send by themselves, and send again
- `server`      the application and its control routes

Control: `GET /sandbox/bill` and `DELETE /sandbox/bill`; `PUT /sandbox/faults` and `DELETE /sandbox/faults`;
`PUT /sandbox/accounts/{vendor}` with `{"credits": 100, "windows": [[15, 1.0]], "ready_after_s": 2.0}`;
`PUT /sandbox/webhooks` with `{"retry_s": 1.0}` and `GET /sandbox/webhooks`; `GET /sandbox/population.csv`.
The header `x-sandbox-fault: reset_after` makes one request fail in that way. Nothing here is written to disk.
"""
