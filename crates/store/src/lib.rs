//! The log, its tables and all SQL, on SQLite and PostgreSQL (ARCHITECTURE.md, "One log, one door").
//!
//! Every change of state goes through [`Store::commit`] and [`Tx::append`]: the log row and the tables that
//! are its shadow are written in one transaction, by the domain's own `apply`. Reads are plain SQL, grouped
//! by noun, and shared by [`Tx`] and [`Reader`]. What differs between the two databases is in `dialect.rs`.

mod bulk;
mod changes;
mod columns;
mod commit;
mod connection;
pub mod data_node;
mod dialect;
mod error;
mod joined;
mod list;
mod locked;
mod log;
mod migrations;
mod reader;
mod silence;
mod statements;
mod store;
mod stored;
mod value;
mod write;

mod api_documents;
mod apis;
mod applications;
mod enforcement;
mod environments;
mod events;
mod git_integrations;
mod groups;
mod idempotency;
mod instance;
mod jobs;
mod key_pairs;
mod key_sets;
mod last_used;
mod leases;
mod members;
mod nodes;
mod organizations;
mod permission_groups;
mod policy_templates;
mod portal_sessions;
mod sealed;
mod service_keys;
mod shared_keys;
mod snapshot;
mod subscriptions;
mod usage;
mod users;

#[cfg(test)]
mod tests;

pub use api_documents::ApiDocumentVersion;
pub use apis::{ApiFilter, ApiSort, SlugOwner};
pub use applications::{ApplicationFilter, ApplicationSort};
pub use changes::Changes;
pub use commit::Tx;
pub use enforcement::measure_enforcement;
pub use environments::{EnvironmentFilter, EnvironmentSort};
pub use error::StoreError;
pub use events::{EventFilter, EventSort};
pub use groups::{GroupFilter, GroupSort};
pub use idempotency::{Begun, IdempotencyScope, StoredAnswer};
pub use instance::Instance;
pub use jobs::{JobFilter, JobSort};
pub use key_pairs::{Accessible, KeyPairFilter, KeyPairSort};
pub use key_sets::{KeyDigests, KeySetFilter, KeySetSort, LivingKeySet};
pub use list::{Between, Cursor, ListQuery, Page, SortValue, Total, Visible};
pub use log::{ChainFault, ChainReport, StateFault, StateReport};
pub use members::{MemberFilter, MemberSort};
pub use nodes::{NodeFilter, NodeKind, NodeReport, NodeRow, NodeSort, UnreadReport};
pub use organizations::{OrganizationFilter, OrganizationSort};
pub use permission_groups::{PermissionGroupFilter, PermissionGroupSort};
pub use policy_templates::{PolicyTemplateFilter, PolicyTemplateSort};
pub use reader::Reader;
pub use service_keys::{ServiceKeyFilter, ServiceKeyRow, ServiceKeySort};
pub use shared_keys::{SharedKeyFilter, SharedKeyRow, SharedKeySort};
pub use silence::{heard, heard_over_all};
pub use snapshot::{ApplicationRow, GrantRow, Holder};
pub use store::{Options, Store};
pub use subscriptions::{SubscriptionFilter, SubscriptionSort};
pub use usage::{
    AddedUp, BatchNumber, Counted, CountedAs, LatencyCount, Responded, ResponseFilter, ResponseRow,
    TakesUsage, UsageBatch, UsageBy, UsageCount, UsageEnds, UsageFilter, UsageQuery, UsageStep, Used,
};
