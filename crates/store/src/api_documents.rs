//! The OpenAPI documents of APIs: their versions in a table that the log leads to, their bytes and operations beside
//! it. The same bytes are kept once, whoever's they are.

use claviger_domain::apis::{ApiDocument, DocumentDigest};
use claviger_domain::event::{ActorRef, NewEvent};
use claviger_domain::id::ApiId;
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::{IntoValue, Value, json, values};

statements! {
    INSERT_VERSION = "INSERT INTO api_documents (api_id, version, document, actor, created_at) VALUES ($1, $2, $3, $4, $5)";
    ONE_VERSION = "SELECT document, actor, created_at FROM api_documents WHERE api_id = $1 AND version = $2";
    VERSIONS_BEFORE = "SELECT document, actor, created_at FROM api_documents WHERE api_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3";
    IS_KEPT = "SELECT COUNT(*) FROM documents WHERE sha256 = $1";
    BYTES = "SELECT bytes FROM documents WHERE sha256 = $1";
    OPERATIONS_AFTER = "SELECT operation FROM document_operations WHERE sha256 = $1 AND number > $2 ORDER BY number LIMIT $3";
    KEEP = "INSERT INTO documents (sha256, bytes) VALUES ($1, $2)";
    KEEP_OPERATION = "INSERT INTO document_operations (sha256, number, operation) VALUES ($1, $2, $3)";
}

/// One version in an API's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiDocumentVersion {
    pub document: ApiDocument,
    pub actor: ActorRef,
    pub created_at: Timestamp,
}

impl FromRow for ApiDocumentVersion {
    const TABLE: &'static str = "api_documents";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self { document: columns.json()?, actor: columns.json()?, created_at: columns.instant()? })
    }
}

/// The bytes of a document.
struct Content(Vec<u8>);

impl FromRow for Content {
    const TABLE: &'static str = "documents";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.bytes()?.to_vec()))
    }
}

/// An operation as its JSON text.
struct OperationText(String);

impl FromRow for OperationText {
    const TABLE: &'static str = "document_operations";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.text()?.to_owned()))
    }
}

impl IntoValue for &DocumentDigest {
    const NONE: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self.as_bytes().to_vec()))
    }
}

/// Writes a version that an event made: part of what follows from the log.
pub(crate) async fn insert_version(
    reader: &mut Reader,
    api_id: ApiId,
    document: &ApiDocument,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let values = values![api_id, document.version, json(document), json(&event.actor), event.at];
    reader.write(INSERT_VERSION, values).await
}

impl Reader {
    pub async fn api_document_version(
        &mut self,
        api_id: ApiId,
        version: u32,
    ) -> Result<Option<ApiDocumentVersion>, StoreError> {
        self.optional(ONE_VERSION, values![api_id, version]).await
    }

    /// The versions before this one, the newest first; none given: from the newest on.
    pub async fn api_document_versions(
        &mut self,
        api_id: ApiId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<ApiDocumentVersion>, StoreError> {
        let before = before.map_or(i64::MAX, i64::from);
        self.all(VERSIONS_BEFORE, values![api_id, before, limit]).await
    }

    /// The bytes of a document, as they came.
    pub async fn document_bytes(&mut self, sha256: &DocumentDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<Content> = self.optional(BYTES, values![sha256]).await?;
        Ok(found.map(|Content(bytes)| bytes))
    }

    /// Operations of a document after the first `skipped`, each as its JSON text.
    pub async fn document_operations(
        &mut self,
        sha256: &DocumentDigest,
        skipped: u32,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let rows: Vec<OperationText> = self.all(OPERATIONS_AFTER, values![sha256, skipped, limit]).await?;
        Ok(rows.into_iter().map(|OperationText(text)| text).collect())
    }
}

impl Tx<'_> {
    /// Keeps a document's bytes and its operations, in the transaction whose event names them. What is kept already
    /// stays as it is: it is the same.
    pub async fn keep_document(
        &mut self,
        sha256: &DocumentDigest,
        bytes: &[u8],
        operations: &[String],
    ) -> Result<(), StoreError> {
        if self.optional(IS_KEPT, values![sha256]).await?.is_some_and(|kept: i64| kept > 0) {
            return Ok(());
        }
        self.write(KEEP, values![sha256, bytes]).await?;
        for (number, operation) in (1_u32..).zip(operations) {
            self.write(KEEP_OPERATION, values![sha256, number, operation]).await?;
        }
        Ok(())
    }
}
