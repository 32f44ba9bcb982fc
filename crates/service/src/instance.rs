//! Which database this is, and whether it belongs to this keeper: made at the first start, compared at
//! each one after.

use claviger_domain::id::NodeKind;
use claviger_domain::time::Timestamp;
use claviger_keeper::Keeper;
use claviger_store::{Instance, Store, StoreError};

use crate::ambient::{Entropy, fresh_id};

/// The service can't start on this database.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "this database belongs to another keeper: it was made with root {database}, but the keeper in this \
         data directory has root {keeper}. Start with the data directory (or a copy of its `keeper` folder \
         and the master key) that this database was made with; with another keeper, no credential in it \
         would be recognised"
    )]
    OtherKeeper { database: String, keeper: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The instance that the database holds, made now if it is new.
pub(crate) async fn of(
    store: &Store,
    keeper: &Keeper,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Instance, StartError> {
    let root = keeper.root_fingerprint();
    let fresh = Instance {
        instance_id: fresh_instance_id(now, entropy),
        epoch: 1,
        root_fingerprint: root.as_bytes().to_vec(),
        created_at: now,
        initialised_at: None,
    };
    let fresh = &fresh;
    let (instance, _) = store
        .commit("instance", |tx| {
            Box::pin(async move {
                if let Some(instance) = tx.instance().await? {
                    return Ok::<_, StoreError>(instance);
                }
                tx.put_instance(fresh).await?;
                Ok(fresh.clone())
            })
        })
        .await?;
    if instance.root_fingerprint == root.as_bytes() {
        Ok(instance)
    } else {
        let database = claviger_wire::events::hex(&instance.root_fingerprint);
        Err(StartError::OtherKeeper { database, keeper: root.to_string() })
    }
}

/// An id like those of things, without a noun of its own: nobody asks for an instance by id.
fn fresh_instance_id(now: Timestamp, entropy: &dyn Entropy) -> String {
    let id = fresh_id::<NodeKind>(now, entropy).to_string();
    id.replacen("nod_", "ins_", 1)
}
