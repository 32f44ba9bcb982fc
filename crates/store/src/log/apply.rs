//! The one match through which every event reaches the tables.

use claviger_domain::apis::Api;
use claviger_domain::applications::Application;
use claviger_domain::environments::Environment;
use claviger_domain::event::{EventBody, NewEvent, Subject};
use claviger_domain::git_integrations::GitIntegration;
use claviger_domain::groups::Group;
use claviger_domain::key_pairs::KeyPair;
use claviger_domain::members::Member;
use claviger_domain::organizations::Organization;
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::policy_templates::PolicyTemplate;
use claviger_domain::service_keys::ServiceKey;
use claviger_domain::subscriptions::Subscription;

use crate::error::StoreError;
use crate::reader::Reader;
use crate::stored::apply as apply_to;

/// Writes the state after `event`.
pub(crate) async fn apply(reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
    match event.body.subject() {
        Subject::Organization(id) => apply_to::<Organization>(reader, id, event).await,
        Subject::Group(id) => apply_to::<Group>(reader, id, event).await,
        Subject::Member(id) => apply_to::<Member>(reader, id, event).await,
        Subject::Environment(id) => apply_to::<Environment>(reader, id, event).await,
        Subject::PermissionGroup(id) => apply_to::<PermissionGroup>(reader, id, event).await,
        Subject::PolicyTemplate(id) => apply_to::<PolicyTemplate>(reader, id, event).await,
        Subject::Api(id) => apply_to::<Api>(reader, id, event).await,
        Subject::Application(id) => apply_to::<Application>(reader, id, event).await,
        Subject::Subscription(id) => apply_to::<Subscription>(reader, id, event).await,
        Subject::KeySet(id) => reader.apply_to_key_set(id, event).await,
        Subject::ServiceKey(id) => apply_to::<ServiceKey>(reader, id, event).await,
        Subject::SharedKey(id) => reader.apply_to_shared_key(id, event).await,
        Subject::KeyPair(id) => apply_to::<KeyPair>(reader, id, event).await,
        Subject::GitIntegration(id) => apply_to::<GitIntegration>(reader, id, event).await,
        // A node's row is its own report; the log says only that it was enrolled and removed.
        Subject::Node(id) => match &event.body {
            EventBody::NodeEnrolled { name, .. } => reader.enrol_node(id, name, event.at).await,
            EventBody::NodeTokenIssued { .. } => Ok(()),
            _ => reader.hide_node(id, event.at).await,
        },
    }
}
