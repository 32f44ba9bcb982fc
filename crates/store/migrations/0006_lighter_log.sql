-- Most events have no counterpart, and what the system does by itself has no actor's id: such rows stand in neither
-- index, which makes each of them cheaper to append. One text for SQLite and PostgreSQL.

DROP INDEX log_by_actor;
CREATE INDEX log_by_actor ON log (actor_id, position) WHERE actor_id IS NOT NULL;
DROP INDEX log_by_counterpart;
CREATE INDEX log_by_counterpart ON log (counterpart_organization_id, position)
    WHERE counterpart_organization_id IS NOT NULL;
