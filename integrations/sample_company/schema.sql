-- The sample company's whole memory. Times are RFC 3339 text in UTC with whole seconds, money is in minor units.
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL COLLATE NOCASE UNIQUE, tier TEXT NOT NULL,
  vip INTEGER NOT NULL, verified INTEGER NOT NULL, country TEXT NOT NULL, language TEXT NOT NULL,
  created_at TEXT NOT NULL, notes TEXT NOT NULL, address TEXT NOT NULL, currency TEXT NOT NULL,
  card_brand TEXT NOT NULL, card_last4 TEXT NOT NULL, card_country TEXT NOT NULL, card_fingerprint TEXT NOT NULL,
  device_id TEXT NOT NULL, device_first_seen_at TEXT NOT NULL, home_ip TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE orders (
  order_number TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, status TEXT NOT NULL,
  placed_at TEXT NOT NULL, delivered_at TEXT, total_minor INTEGER NOT NULL, currency TEXT NOT NULL,
  charge_id TEXT NOT NULL, items TEXT NOT NULL, tracking_number TEXT, carrier TEXT
) WITHOUT ROWID;
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at);

CREATE TABLE charges (
  charge_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, order_number TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  refunded_minor INTEGER NOT NULL CHECK (refunded_minor BETWEEN 0 AND amount_minor), currency TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('succeeded', 'held', 'refunded', 'disputed')), created_at TEXT NOT NULL,
  card_brand TEXT NOT NULL, card_last4 TEXT NOT NULL, card_country TEXT NOT NULL, card_fingerprint TEXT NOT NULL,
  ip TEXT NOT NULL, ip_country TEXT NOT NULL, device_id TEXT NOT NULL, device_first_seen_at TEXT NOT NULL,
  billing_country TEXT NOT NULL, shipping_country TEXT NOT NULL, shipping_address TEXT NOT NULL,
  three_d_secure INTEGER NOT NULL, risk_score INTEGER NOT NULL, changed_at TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX charges_by_customer ON charges (customer_id, created_at);
CREATE INDEX charges_by_change ON charges (changed_at);

CREATE TABLE refunds (
  refund_id TEXT PRIMARY KEY, charge_id TEXT NOT NULL REFERENCES charges, customer_id TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), currency TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX refunds_by_customer ON refunds (customer_id, at);
CREATE INDEX refunds_by_charge ON refunds (charge_id);

CREATE TABLE disputes (
  dispute_id TEXT PRIMARY KEY, charge_id TEXT NOT NULL REFERENCES charges, customer_id TEXT NOT NULL,
  reason TEXT NOT NULL, status TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
  opened_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX disputes_by_customer ON disputes (customer_id, opened_at);

CREATE TABLE tickets (
  ticket_id INTEGER PRIMARY KEY, title TEXT NOT NULL, status TEXT NOT NULL, priority TEXT NOT NULL, tags TEXT NOT NULL,
  team TEXT NOT NULL, requester_email TEXT NOT NULL COLLATE NOCASE, requester_name TEXT NOT NULL, channel TEXT NOT NULL,
  created_at TEXT NOT NULL, changed_at TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX tickets_by_requester ON tickets (requester_email, created_at);
CREATE INDEX tickets_by_change ON tickets (changed_at);

CREATE TABLE messages (
  message_id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES tickets, author TEXT NOT NULL,
  public INTEGER NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL,
  key TEXT, version_before TEXT NOT NULL DEFAULT '', version_after TEXT NOT NULL DEFAULT ''
);
CREATE INDEX messages_by_ticket ON messages (ticket_id);

CREATE TABLE articles (
  slug TEXT PRIMARY KEY, title TEXT NOT NULL, keywords TEXT NOT NULL, body TEXT NOT NULL, revised_at TEXT NOT NULL
) WITHOUT ROWID;
-- The index tables hold as many silent rows (slug '') as documents: see generate.py.
CREATE VIRTUAL TABLE articles_index USING fts5 (
  slug UNINDEXED, title, keywords, body, tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TABLE posts (
  post_id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, title TEXT NOT NULL, excerpt TEXT NOT NULL, body TEXT NOT NULL,
  keyword TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('draft', 'published')), meta TEXT NOT NULL,
  created_at TEXT NOT NULL, published_at TEXT, version INTEGER NOT NULL DEFAULT 1, key TEXT
);
CREATE INDEX posts_by_key ON posts (key) WHERE key IS NOT NULL;
CREATE VIRTUAL TABLE posts_index USING fts5 (
  slug UNINDEXED, title, keyword, excerpt, body, tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TABLE searches (
  slug TEXT PRIMARY KEY, query TEXT NOT NULL, taken_at TEXT NOT NULL, results TEXT NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE searches_index USING fts5 (
  slug UNINDEXED, query, titles, tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TABLE pages (
  page_id TEXT PRIMARY KEY, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL, html TEXT NOT NULL, fetched_at TEXT NOT NULL,
  word_count INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE vendors (
  vendor_id TEXT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, currency TEXT NOT NULL,
  lead_time_days INTEGER NOT NULL, lead_time_spread_days INTEGER NOT NULL, on_time_rate REAL NOT NULL,
  defect_rate REAL NOT NULL, payment_terms TEXT NOT NULL, incoterm TEXT NOT NULL, approved INTEGER NOT NULL,
  email TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE stock (
  item_id TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price_minor INTEGER NOT NULL,
  warehouse TEXT NOT NULL, on_hand INTEGER NOT NULL CHECK (on_hand >= 0), reserved INTEGER NOT NULL,
  ordered INTEGER NOT NULL, reorder_level INTEGER NOT NULL, reorder_quantity INTEGER NOT NULL, sold_30d INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE offers (
  item_id TEXT NOT NULL REFERENCES stock, vendor_id TEXT NOT NULL REFERENCES vendors, unit_price_minor INTEGER NOT NULL,
  currency TEXT NOT NULL, minimum_quantity INTEGER NOT NULL, pack_size INTEGER NOT NULL, last_price_minor INTEGER,
  valid_until TEXT NOT NULL, PRIMARY KEY (item_id, vendor_id)
) WITHOUT ROWID;

CREATE TABLE watch_list (
  entry_id TEXT PRIMARY KEY, listed TEXT NOT NULL COLLATE NOCASE, list TEXT NOT NULL, field TEXT NOT NULL,
  reason TEXT NOT NULL, since TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX watch_list_by_listed ON watch_list (listed);

CREATE TABLE risk_cases (
  case_id TEXT PRIMARY KEY, charge_id TEXT NOT NULL REFERENCES charges, summary TEXT NOT NULL, signals TEXT NOT NULL,
  at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE routings (
  routing_id TEXT PRIMARY KEY, charge_id TEXT NOT NULL REFERENCES charges, team TEXT NOT NULL, note TEXT NOT NULL,
  at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE mails (
  mail_id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL
);

CREATE TABLE brief_requests (
  request_id TEXT PRIMARY KEY, keyword TEXT NOT NULL, text TEXT NOT NULL, audience TEXT NOT NULL,
  requester_email TEXT NOT NULL, at TEXT NOT NULL
) WITHOUT ROWID;

-- Idempotency keys as a payment provider keeps them: the first call's arguments and its answer.
CREATE TABLE idempotency_keys (
  key TEXT PRIMARY KEY, operation TEXT NOT NULL, fingerprint TEXT NOT NULL, receipt TEXT NOT NULL
) WITHOUT ROWID;

-- Every effect that a writer carried out, for ever: what tests and audits count.
CREATE TABLE effects (
  effect_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, target TEXT NOT NULL, amount_minor INTEGER,
  currency TEXT, at TEXT NOT NULL
);
CREATE TRIGGER effects_are_never_changed BEFORE UPDATE ON effects BEGIN SELECT RAISE(ABORT, 'effects are append-only'); END;
CREATE TRIGGER effects_are_never_deleted BEFORE DELETE ON effects BEGIN SELECT RAISE(ABORT, 'effects are append-only'); END;

-- Webhooks to be sent: written with the change that they report, in one transaction.
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, body TEXT NOT NULL,
  created_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL, delivered_at TEXT, last_answer TEXT
);
CREATE INDEX outbox_due ON outbox (due) WHERE due IS NOT NULL;

-- Faults to be met: see faults.py.
CREATE TABLE faults (
  operation TEXT NOT NULL, kind TEXT NOT NULL, remaining INTEGER, rate REAL, seconds REAL NOT NULL,
  PRIMARY KEY (operation, kind)
) WITHOUT ROWID;
