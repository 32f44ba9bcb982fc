//! The OpenAPI documents of APIs: versions that the log leads to, bytes and operations beside it.

use claviger_domain::apis::{ApiDocument, DocumentDigest, DocumentFormat, DocumentSource, OpenApiVersion};
use claviger_domain::event::EventBody;
use claviger_store::{Store, StoreError};

use crate::world::{Place, World, append, event, later};

fn version(number: u32, byte: u8, size: u32) -> ApiDocument {
    ApiDocument {
        version: number,
        sha256: DocumentDigest::from_bytes([byte; 32]),
        size,
        format: DocumentFormat::Yaml,
        openapi: OpenApiVersion::V3_1,
        title: "Orders".to_owned(),
        operations: 2,
        source: DocumentSource::Put,
    }
}

/// Keeps the bytes and appends the event, as the use case does.
async fn put(store: &Store, world: &World, document: &ApiDocument, bytes: &[u8]) -> Result<(), StoreError> {
    let operations = [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#].map(str::to_owned);
    let body = EventBody::ApiDocumentUpdated { api_id: world.api_id, document: Box::new(document.clone()) };
    let event = event(later("P1D"), world.place(), body);
    let (event, operations) = (&event, &operations);
    let put = store.commit("test", |tx| {
        Box::pin(async move {
            tx.keep_document(&document.sha256, bytes, operations).await?;
            tx.append(event.clone()).await
        })
    });
    put.await.map(drop)
}

pub(crate) async fn documents_are_kept_once_and_versions_for_ever(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    assert_eq!(store.read().await.unwrap().api(world.api_id).await.unwrap().unwrap().document, None);
    let large = vec![b'x'; 5 << 20];
    let (first, second, third) = (version(1, 7, 3), version(2, 8, 5 << 20), version(3, 7, 3));
    put(&store, &world, &first, b"one").await.unwrap();
    put(&store, &world, &second, &large).await.unwrap();
    // The first one's bytes come again; what is kept under their digest stays.
    put(&store, &world, &third, b"one").await.unwrap();
    for out_of_turn in [1, 3, 5] {
        let refused = put(&store, &world, &version(out_of_turn, 9, 1), b"x").await;
        assert!(refused.is_err(), "version {out_of_turn} after 3");
    }
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.api(world.api_id).await.unwrap().unwrap().document, Some(third.clone()));
    assert_eq!(reader.document_bytes(&first.sha256).await.unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(reader.document_bytes(&second.sha256).await.unwrap(), Some(large));
    let refused = DocumentDigest::from_bytes([9; 32]);
    assert_eq!(reader.document_bytes(&refused).await.unwrap(), None, "nothing of a refused one is left");
    let page = reader.document_operations(&first.sha256, 0, 2).await.unwrap();
    assert_eq!(page, [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(reader.document_operations(&first.sha256, 2, 2).await.unwrap(), [r#"{"n":3}"#]);
    let numbers = async |before, limit| {
        let mut reader = store.read().await.unwrap();
        let rows = reader.api_document_versions(world.api_id, before, limit).await.unwrap();
        rows.iter().map(|row| row.document.version).collect::<Vec<_>>()
    };
    assert_eq!(numbers(None, 2).await, [3, 2]);
    assert_eq!(numbers(Some(2), 2).await, [1]);
    let row = reader.api_document_version(world.api_id, 2).await.unwrap().unwrap();
    assert_eq!((row.document, row.created_at), (second, later("P1D")));
    assert_eq!(reader.api_document_version(world.api_id, 4).await.unwrap(), None);
    let report = reader.verify_state().await.unwrap();
    assert_eq!(report.fault, None, "replaying the log leads to the same tables");
    drop(reader);
    append(&store, [event(later("P2D"), world.place(), EventBody::ApiDeleted { api_id: world.api_id })])
        .await
        .unwrap();
    assert_eq!(store.read().await.unwrap().verify_state().await.unwrap().fault, None);
}
