//! An API's OpenAPI document: put, kept as it came, with its history and its operations (product.md B3, C5). It is
//! read and validated before any transaction begins, a few at a time.

use std::sync::Arc;

use bytes::Bytes;
use claviger_domain::apis::{
    Api, ApiDocument, DocumentDigest, DocumentFormat, DocumentSource, OpenApiVersion,
};
use claviger_domain::credential::contains_credential;
use claviger_domain::event::EventBody;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::{FieldError, Refusal};
use claviger_openapi::{Document, Format, Version};
use claviger_store::{ApiDocumentVersion, Reader, StoreError, Tx};
use claviger_wire::Page;
use claviger_wire::api_documents as wire;
use sha2::{Digest as _, Sha256};

use crate::apis::{api_to, visible};
use crate::error::Error;
use crate::etag;
use crate::lists::{ListParameters, Parameters, bad};
use crate::request::{Answer, Request, Status, Written};
use crate::state::Service;
use crate::usage::bad_cursor;

/// How many documents are read at once.
pub(crate) const AT_ONCE: usize = 2;
/// How many versions or operations a page has.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// A document on its way in.
#[derive(Clone)]
pub struct SentDocument {
    pub bytes: Bytes,
    pub(crate) format: Format,
}

impl SentDocument {
    /// What was sent as this media type, if a document can be.
    pub fn new(bytes: Bytes, media_type: &str) -> Option<Self> {
        Format::of_media_type(media_type).map(|format| Self { bytes, format })
    }
}

impl std::fmt::Debug for SentDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentDocument")
            .field("bytes", &self.bytes.len())
            .field("format", &self.format)
            .finish()
    }
}

/// A document that was read and found good, before it is kept.
#[derive(Clone)]
pub(crate) struct ReadDocument {
    sha256: DocumentDigest,
    sent: SentDocument,
    openapi: OpenApiVersion,
    title: String,
    /// Each as its JSON text.
    operations: Vec<String>,
}

/// A document on its way out, as it came in.
#[derive(Debug, Clone)]
pub struct DocumentBytes {
    pub bytes: Vec<u8>,
    pub document: ApiDocument,
    /// What a file with it is called.
    pub file_name: String,
    pub etag: String,
}

impl Answer for wire::ApiDocument {
    fn etag(&self) -> Option<String> {
        Some(tag(&self.document.sha256))
    }
}

/// The entity tag of a document: that of its bytes.
fn tag(sha256: &impl std::fmt::Display) -> String {
    format!("\"{sha256}\"")
}

impl ReadDocument {
    /// By which its bytes are known.
    pub(crate) const fn digest(&self) -> DocumentDigest {
        self.sha256
    }

    /// What making it the API's document is in the log; `None`: it is that already.
    pub(crate) fn event(&self, api: &Api, source: DocumentSource) -> Option<EventBody> {
        let format = match self.sent.format {
            Format::Json => DocumentFormat::Json,
            Format::Yaml => DocumentFormat::Yaml,
        };
        let same = |present: &ApiDocument| present.sha256 == self.sha256 && present.format == format;
        if api.document.as_ref().is_some_and(same) {
            return None;
        }
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let document = ApiDocument {
            version: api.next_document(),
            sha256: self.sha256,
            size: count(self.sent.bytes.len()),
            format,
            openapi: self.openapi,
            title: self.title.clone(),
            operations: count(self.operations.len()),
            source,
        };
        Some(EventBody::ApiDocumentUpdated { api_id: api.id, document: Box::new(document) })
    }

    /// Keeps its bytes, in the transaction that appends the event.
    pub(crate) async fn keep(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.keep_document(&self.sha256, &self.sent.bytes, &self.operations).await
    }
}

impl Service {
    /// Makes this the API's document. Putting the one that it has is no event.
    pub async fn api_put_document(
        &self,
        request: &Request,
        api: &str,
        sent: SentDocument,
    ) -> Result<Written<wire::ApiDocument>, Error> {
        {
            let (mut reader, authority) = self.reading(request).await?;
            api_to(&mut reader, &authority, api, Permission::ApisOpenapi).await?;
        }
        let document = self.read_document(sent).await?.map_err(Refusal::Invalid)?;
        let document = &document;
        self.write(request, "api_put_document", Status::Done, |write| {
            Box::pin(async move {
                let api = write.api_to(api, Permission::ApisOpenapi).await?;
                check_if_match(write.request, &api)?;
                if let Some(event) = document.event(&api, DocumentSource::Put) {
                    document.keep(write.tx).await?;
                    write.append(api.place(), event).await?;
                }
                let api = write.tx.api(api.id).await?.ok_or(Refusal::NotFound)?;
                let row = version_of(write.tx, &api, None).await?;
                Ok(wire::ApiDocument::new(&row.document, row.created_at, &row.actor))
            })
        })
        .await
    }

    /// Reads a document and validates it; or says what is wrong with it.
    pub(crate) async fn read_document(
        &self,
        sent: SentDocument,
    ) -> Result<Result<ReadDocument, Vec<FieldError>>, Error> {
        let place = Arc::clone(&self.state.documents).acquire_owned().await.map_err(Error::internal)?;
        let reading = tokio::task::spawn_blocking(move || {
            // Until it is read, whether or not anybody still waits for it.
            let _place = place;
            read(sent)
        });
        reading.await.map_err(Error::internal)?
    }

    /// The document as it came: the newest version, or an older one for those who see all of the API.
    pub async fn api_document(
        &self,
        request: &Request,
        api: &str,
        version: Option<&str>,
    ) -> Result<DocumentBytes, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = visible(&mut reader, &authority, api).await?;
        let version =
            version.map(|text| text.parse::<u32>().map_err(|_| bad("version", "must be a whole number")));
        let version = version.transpose()?;
        if version.is_some() && !authority.allows_within(Permission::ApisRead, api.organization_id) {
            return Err(Error::not_found());
        }
        document_bytes(&mut reader, &api, version).await
    }

    /// The versions that the API had, the newest first.
    pub async fn api_document_versions(
        &self,
        request: &Request,
        api: &str,
        given: &ListParameters,
    ) -> Result<Page<wire::ApiDocument>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = visible(&mut reader, &authority, api).await?;
        if !authority.allows_within(Permission::ApisRead, api.organization_id) {
            return Err(Error::not_found());
        }
        let binding = given.binding(&request.caller.service_key_id.to_string());
        let Paging { limit, after } = self.paging::<u32>(given, &binding)?;
        let mut rows = reader.api_document_versions(api.id, after, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().filter(|_| more).map(|row| row.document.version);
        let items = rows.iter().map(|row| wire::ApiDocument::new(&row.document, row.created_at, &row.actor));
        self.forward_page(&binding, items.collect(), last.as_ref())
    }

    /// The operations that the document describes, by path and method.
    pub async fn api_operations(
        &self,
        request: &Request,
        api: &str,
        given: &ListParameters,
    ) -> Result<Page<wire::Operation>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = visible(&mut reader, &authority, api).await?;
        let caller = request.caller.service_key_id.to_string();
        self.operations(&mut reader, &api, &caller, given).await
    }

    /// A page of the operations of an API that the caller was found to see.
    pub(crate) async fn operations(
        &self,
        reader: &mut Reader,
        api: &Api,
        caller: &str,
        given: &ListParameters,
    ) -> Result<Page<wire::Operation>, Error> {
        let binding = given.binding(caller);
        let Paging { limit, after } = self.paging::<(DocumentDigest, u32)>(given, &binding)?;
        let document = api.document.as_ref().ok_or(Refusal::NotFound)?;
        // Another document has other operations: a page of it goes on with nothing.
        let skipped = match after {
            Some((sha256, _)) if sha256 != document.sha256 => return Err(bad_cursor()),
            Some((_, skipped)) => skipped,
            None => 0,
        };
        let mut texts = reader.document_operations(&document.sha256, skipped, limit + 1).await?;
        let more = texts.len() > limit as usize;
        texts.truncate(limit as usize);
        let items: Result<Vec<_>, _> = texts.iter().map(|text| serde_json::from_str(text)).collect();
        let next = more.then_some((document.sha256, skipped + limit));
        self.forward_page(&binding, items.map_err(Error::internal)?, next.as_ref())
    }

    /// What a page that only goes on takes, and nothing else.
    fn paging<C: serde::de::DeserializeOwned>(
        &self,
        given: &ListParameters,
        binding: &str,
    ) -> Result<Paging<C>, Error> {
        let mut parameters = Parameters::new(given)?;
        let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
        let after = match parameters.one("cursor")? {
            Some(text) => Some(self.state.cursors.open(binding, text).ok_or_else(bad_cursor)?),
            None => None,
        };
        parameters.all_read()?;
        Ok(Paging { limit, after })
    }

    fn forward_page<T, C: serde::Serialize>(
        &self,
        binding: &str,
        items: Vec<T>,
        next: Option<&C>,
    ) -> Result<Page<T>, Error> {
        let seal = |next| self.state.cursors.seal(binding, next).map_err(Error::internal);
        Ok(Page::new(items, next.map(seal).transpose()?, None, None))
    }
}

/// How many, after what.
struct Paging<C> {
    limit: u32,
    after: Option<C>,
}

fn read(sent: SentDocument) -> Result<Result<ReadDocument, Vec<FieldError>>, Error> {
    let document = match Document::parse(&sent.bytes, sent.format) {
        Ok(document) => document,
        Err(faults) => {
            let errors = faults.into_iter().map(|fault| FieldError::new(fault.pointer, fault.detail));
            return Ok(Err(errors.collect()));
        }
    };
    if contains_credential(&document.title) {
        let detail = "looks like a secret; what is in the title is in the log for ever";
        return Ok(Err(vec![FieldError::new("/info/title", detail)]));
    }
    let texts: Result<Vec<_>, _> = document.operations.iter().map(serde_json::to_string).collect();
    Ok(Ok(ReadDocument {
        sha256: DocumentDigest::from_bytes(Sha256::digest(&sent.bytes).into()),
        sent,
        openapi: match document.version {
            Version::V3_0 => OpenApiVersion::V3_0,
            Version::V3_1 => OpenApiVersion::V3_1,
            Version::V3_2 => OpenApiVersion::V3_2,
        },
        title: document.title,
        operations: texts.map_err(Error::internal)?,
    }))
}

/// `If-Match` is about the document, not about the rest of the API. There is none to match where there is none.
fn check_if_match(request: &Request, api: &Api) -> Result<(), Error> {
    let Some(if_match) = &request.if_match else { return Ok(()) };
    let present = api.document.as_ref().map(|document| tag(&document.sha256));
    match present {
        Some(present) if etag::matches(if_match, &present) => Ok(()),
        _ => Err(Refusal::PreconditionFailed.into()),
    }
}

/// One version of the API's document; none named: the newest.
async fn version_of(
    reader: &mut Reader,
    api: &Api,
    version: Option<u32>,
) -> Result<ApiDocumentVersion, Error> {
    let newest = api.document.as_ref().map(|document| document.version);
    let version = version.or(newest).ok_or(Refusal::NotFound)?;
    Ok(reader.api_document_version(api.id, version).await?.ok_or(Refusal::NotFound)?)
}

/// The document of an API that the caller was found to see.
pub(crate) async fn document_bytes(
    reader: &mut Reader,
    api: &Api,
    version: Option<u32>,
) -> Result<DocumentBytes, Error> {
    let document = version_of(reader, api, version).await?.document;
    let bytes = reader.document_bytes(&document.sha256).await?;
    let bytes = bytes.ok_or_else(|| Error::internal("the bytes of a document are gone"))?;
    let file_name = format!("{}-v{}.{}", api.slug, document.version, document.format.ending());
    Ok(DocumentBytes { bytes, file_name, etag: tag(&document.sha256), document })
}
