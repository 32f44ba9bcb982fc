-- In what form a batch was written: a program that does not know it leaves the batch to one that does. Those that stand,
-- and those of a program that says nothing, are of the first.
ALTER TABLE usage_batches ADD COLUMN format BIGINT NOT NULL DEFAULT 1;
