-- `until` has no index, so that a confirmation does not write one. `first_claimed` never changes, and its index is small.
-- The lease or the retention of a row ends after `until`.
CREATE TABLE countersign_claim (
  key text COLLATE "C" PRIMARY KEY, -- source, space, message id
  done boolean NOT NULL,
  number bigint NOT NULL,
  until timestamptz NOT NULL,
  first_claimed timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX countersign_claim_first_claimed ON countersign_claim USING brin (first_claimed) WITH (autosummarize = on);
