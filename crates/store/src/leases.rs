//! Leases: work that one node at a time does, such as the scheduler's.

use claviger_domain::time::Timestamp;

use crate::commit::Tx;
use crate::error::StoreError;
use crate::statements::statements;
use crate::value::values;

statements! {
    TAKE = "INSERT INTO leases (name, holder, held_until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET \
            holder = excluded.holder, held_until = excluded.held_until \
            WHERE leases.holder = excluded.holder OR leases.held_until <= $4";
    GIVE_BACK = "DELETE FROM leases WHERE name = $1 AND holder = $2";
}

impl Tx<'_> {
    /// Takes or prolongs the lease; false if another holds it.
    pub async fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(TAKE, values![name, holder, until, now]).await? > 0)
    }

    /// Gives the lease back, if it is still held.
    pub async fn give_back_lease(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        self.execute(GIVE_BACK, values![name, holder]).await.map(drop)
    }
}
