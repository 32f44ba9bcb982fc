//! A database that was filled before texts had an index is searched as a new one is.

use claviger_domain::id::KeySetKind;
use claviger_domain::key_sets::{KeySet, KeyStatus};
use claviger_domain::time::Timestamp;
use claviger_testkit::Postgres;

use super::explain::{fill, id};
use crate::dialect::{self, Access, Database};
use crate::list::{Alternative, Listed as _, page_query};
use crate::statements::{Statement, statements};
use crate::value::values;
use crate::{KeySetFilter, KeySetSort, ListQuery, Options, Reader, Visible, migrations};

statements! {
    CHANGE = "UPDATE key_sets SET search = $2 WHERE id = $1";
}

/// SQLite's alone, so not among those that both databases prepare: fails if an index of texts says anything else
/// than the texts.
const CHECKS: [Statement; 2] = [
    Statement {
        name: "CHECK_KEY_SETS",
        sql: "INSERT INTO key_set_grams (key_set_grams, rank) VALUES ('integrity-check', 1)",
    },
    Statement {
        name: "CHECK_APPLICATIONS",
        sql: "INSERT INTO application_grams (application_grams, rank) VALUES ('integrity-check', 1)",
    },
];

/// How many sets the index finds by a text, and how many there are.
async fn found(database: &Database, text: &str) -> [usize; 2] {
    let now = Timestamp::from_micros(100);
    let query = ListQuery {
        limit: 50,
        sort: KeySetSort::CreatedAt,
        descending: true,
        cursor: None,
        visible: Visible::everything(),
        filter: KeySetFilter { q: Some(text.to_owned()), ..KeySetFilter::at(now) },
        count: false,
    };
    let mut reader = Reader::new(database.begin().await.unwrap());
    let selections = KeySet::selections(&query.filter, database.dialect());
    let by_index =
        reader.assembled(page_query::<KeySet>(&query, selections.first(), Vec::new())).await.unwrap();
    let by_walk = reader.assembled(page_query::<KeySet>(&query, None, Vec::new())).await.unwrap();
    reader.connection.rollback().await;
    [by_index.len(), by_walk.len()]
}

/// How many sets are Expired long after all, first looked for among those that the clock ended, then on a walk
/// through all, as where these are many.
async fn expired(database: &Database) -> [usize; 2] {
    let filter = KeySetFilter {
        statuses: vec![KeyStatus::Expired],
        ..KeySetFilter::at(Timestamp::from_micros(i64::MAX))
    };
    let query = ListQuery {
        limit: 200,
        sort: KeySetSort::CreatedAt,
        descending: true,
        cursor: None,
        visible: Visible::everything(),
        filter,
        count: false,
    };
    let mut reader = Reader::new(database.begin().await.unwrap());
    let alternatives = KeySet::alternatives(&query.filter);
    assert!(alternatives.iter().any(|alternative| alternative.few));
    let walked = alternatives.iter().map(|one| Alternative { few: false, ..one.clone() }).collect();
    let found = reader.assembled(page_query::<KeySet>(&query, None, alternatives)).await.unwrap();
    let walked = reader.assembled(page_query::<KeySet>(&query, None, walked)).await.unwrap();
    reader.connection.rollback().await;
    [found.len(), walked.len()]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stood_before_the_index_of_texts_is_found_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::shared().create_database();
    let file = format!("sqlite:{}", folder.path().join("claviger.db").display());
    for url in [file.as_str(), postgres.url()] {
        let database = dialect::open(url, &Options::default(), Access::Full).await.unwrap();
        migrations::run_to(&database, 1).await.unwrap();
        let mut connection = database.begin().await.unwrap();
        fill(&mut connection).await;
        connection.commit().await.unwrap();
        migrations::run(&database).await.unwrap();
        let [found_first, walked] = expired(&database).await;
        assert!(found_first > 0 && found_first == walked, "{found_first} {walked}");
        // The texts of these rows are their ids.
        let text = id::<KeySetKind>(22).to_string();
        assert_eq!(found(&database, &text).await, [1, 1]);
        let mut connection = database.begin().await.unwrap();
        connection.execute(CHANGE.text(), values![&text, "a word that no other has"]).await.unwrap();
        connection.commit().await.unwrap();
        assert_eq!(found(&database, &text).await, [0, 0]);
        assert_eq!(found(&database, "word that").await, [1, 1]);
        if matches!(database, Database::Sqlite { .. }) {
            let mut connection = database.begin().await.unwrap();
            for check in CHECKS {
                connection.execute(check.text(), values![]).await.unwrap();
            }
            connection.rollback().await;
        }
        database.close().await;
    }
}
