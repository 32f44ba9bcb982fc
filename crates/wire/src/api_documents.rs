//! OpenAPI documents of APIs on the wire: what is known of each version, and the operations that it describes. All
//! texts are plain: markup in them is not to be rendered.

use claviger_domain::apis as domain;
use claviger_domain::event::ActorRef;
use claviger_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::events::Actor;
use crate::mirror::mirrored;

mirrored! {
    /// How a version came: somebody put it, or a Git integration pulled it.
    DocumentSource = domain::DocumentSource { Put, Pulled, }
}

/// The newest version of an API's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiDocumentRef {
    /// 1 for the API's first, then one more each time.
    pub version: u32,
    /// The version of OpenAPI that it is written in.
    #[schema(example = "3.1")]
    pub openapi: String,
    /// What it calls itself.
    pub title: String,
    /// As which it is sent: `application/json` or `application/yaml`.
    pub media_type: String,
    /// In bytes.
    pub size: u32,
    /// Of its bytes, in hex.
    pub sha256: String,
    /// How many operations it describes.
    pub operations: u32,
}

/// A version of an API's document.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiDocument {
    #[serde(flatten)]
    pub document: ApiDocumentRef,
    pub source: DocumentSource,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub created_by: Actor,
}

/// One method of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DocumentOperation)]
pub struct Operation {
    #[schema(example = "GET")]
    pub method: String,
    /// With its parameters in braces.
    #[schema(example = "/orders/{id}")]
    pub path: String,
    pub operation_id: Option<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub deprecated: bool,
    pub tags: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub request_body: Option<RequestBody>,
    pub responses: Vec<Response>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DocumentParameter)]
pub struct Parameter {
    pub name: String,
    /// `path`, `query`, `header`, `cookie` or `querystring`.
    #[serde(rename = "in")]
    pub place: String,
    pub required: bool,
    pub deprecated: bool,
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DocumentRequestBody)]
pub struct RequestBody {
    pub required: bool,
    pub description: Option<String>,
    pub media_types: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DocumentResponse)]
pub struct Response {
    /// `200`, `4XX` or `default`.
    pub status: String,
    pub description: Option<String>,
}

impl From<&domain::ApiDocument> for ApiDocumentRef {
    fn from(document: &domain::ApiDocument) -> Self {
        Self {
            version: document.version,
            openapi: document.openapi.as_str().to_owned(),
            title: document.title.clone(),
            media_type: document.format.media_type().to_owned(),
            size: document.size,
            sha256: document.sha256.to_string(),
            operations: document.operations,
        }
    }
}

impl ApiDocument {
    pub fn new(document: &domain::ApiDocument, created_at: Timestamp, actor: &ActorRef) -> Self {
        Self {
            document: document.into(),
            source: document.source.into(),
            created_at: created_at.to_string(),
            created_by: actor.into(),
        }
    }
}
