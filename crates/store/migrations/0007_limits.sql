-- Key Sets whose policy limits how often they may call: few or many, all are read when deciding is loaded, and none of
-- the others. How a policy's JSON ends says it; one that ends in another way is read, and looked at.
CREATE INDEX key_sets_by_limits ON key_sets (id)
    WHERE removed_at IS NULL AND policy NOT LIKE '%"rate_limit":null,"quota":null}';
