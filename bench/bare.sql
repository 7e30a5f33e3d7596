-- What accepting one withdrawal reads and writes, one statement at a time, nothing else:
-- no token, no sealing, no JSON, no decision. Run by pgbench with prepared statements.
\set number random(0, :users - 1)
BEGIN;
SELECT 'bench-' || lpad(:number::text, 6, '0') AS who, uuidv7() AS withdrawal, uuidv7() AS hold, uuidv7() AS event, uuidv7(interval '-1 day') AS since, now() - interval '1 day' AS day \gset
SELECT fingerprint, resource, status, headers, body FROM idempotency_keys WHERE user_id = :who AND caller = 'bench' AND operation = 'withdrawal' AND key = :withdrawal;
SELECT available, held FROM wallets WHERE user_id = :who AND currency = 'KES' FOR UPDATE;
SELECT amount, created_at FROM withdrawals WHERE user_id = :who AND id >= :since AND created_at >= :day AND state <> 'cancelled' ORDER BY created_at;
INSERT INTO journals (user_id, id, kind, reference, reason) VALUES (:who, :hold, 'withdrawal_held', :withdrawal, '');
INSERT INTO entries (user_id, journal_id, line, account, currency, amount) VALUES (:who::text, :hold::uuid, 1, :available::text, 'KES', -10000), (:who::text, :hold::uuid, 2, :held::text, 'KES', 10000);
UPDATE wallets SET available = available - 10000, held = held + 10000, version = version + 1, updated_at = now() WHERE user_id = :who AND currency = 'KES';
INSERT INTO withdrawals (user_id, id, state, amount, rail, hold_id, phone_sealed, phone_index, phone_masked, caller, request_id, due_at) VALUES (:who, :withdrawal, 'pending', 10000, 'bench', :hold, '\x0102030405060708091011121314151617181920212223242526272829303132333435363738394041424344', '\x01020304050607080910111213141516', '+2547••••0000', 'bench', 'req_01h455vb4pex5vsknk084sn02q', now());
INSERT INTO audit_log (user_id, id, kind, actor, subject, request_id, detail) VALUES (:who, :event, 'withdrawal_initiated', 'bench', :withdrawal, 'req_01h455vb4pex5vsknk084sn02q', '{"amountMinor": 10000}');
INSERT INTO idempotency_keys (user_id, caller, operation, key, fingerprint, resource, status, headers, body) VALUES (:who, 'bench', 'withdrawal', :withdrawal, '\x0102030405060708091011121314151617181920212223242526272829303132', :withdrawal, 202, '{"Location": "/api/withdrawals/wd_01h455vb4pex5vsknk084sn02q"}', convert_to(repeat('.', 330), 'UTF8'));
COMMIT;
