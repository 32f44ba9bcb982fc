//! The data node at work: it starts from its snapshot or the database, follows the log, and tells how far it is.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger_domain::event::{DecidingEvent, EventBody, Position};
use claviger_domain::time::Timestamp;
use claviger_keeper::NodeKeys;
use claviger_store::data_node::{DataNodeReader, DataNodeStore, LogLine, NodeHead, RowKind};
use claviger_store::measure_enforcement;
use claviger_verify::{DigestGeneration, DigestKeys, Index, Standing};
use parking_lot::RwLock;
use tokio::sync::Mutex;

use crate::enrolment::Enrolment;
use crate::error::{FollowError, Refused};
use crate::keep::Keep;
use crate::load::{Loading, RowError};
use crate::snapshot::{Allowed, BaseWriter, Marker, Place, Rows, Snapshots};

/// How many lines one step reads.
const STEP: u32 = 1_000;

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a data node is made of.
pub struct Setup {
    pub enrolment: Enrolment,
    /// What was in the enrolment's bundle.
    pub keys: NodeKeys,
    pub store: DataNodeStore,
    pub snapshots: Snapshots,
    /// For how long deciding goes on without contact to the log.
    pub max_staleness_seconds: i64,
    pub clock: Clock,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("node", &self.enrolment.node_id).finish_non_exhaustive()
    }
}

/// What a data node begins with.
#[derive(Debug)]
pub enum Started {
    /// It decides from what it kept, as of this position, this many seconds old.
    FromSnapshot { position: Position, age_seconds: i64 },
    /// It decides nothing before it has read the database, for this reason.
    Waiting(Refused),
}

/// A data node. Share it by `Arc`.
pub struct DataNode {
    enrolment: Enrolment,
    store: DataNodeStore,
    snapshots: Snapshots,
    index: Arc<Index>,
    max_staleness_seconds: i64,
    clock: Clock,
    began: Timestamp,
    /// Where the index stands; held by the one who follows.
    place: Mutex<Option<Place>>,
    keep: RwLock<Option<Keep>>,
}

impl std::fmt::Debug for DataNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataNode").field("node", &self.enrolment.node_id).finish_non_exhaustive()
    }
}

impl DataNode {
    /// Puts it together; it decides nothing yet.
    pub fn new(setup: Setup) -> Self {
        let index = Arc::new(Index::new(setup.max_staleness_seconds));
        if let Some(keys) = digest_keys(&setup.keys) {
            index.use_digest_keys(keys);
        }
        Self {
            index,
            began: (setup.clock)(),
            enrolment: setup.enrolment,
            store: setup.store,
            snapshots: setup.snapshots,
            max_staleness_seconds: setup.max_staleness_seconds,
            clock: setup.clock,
            place: Mutex::new(None),
            keep: RwLock::new(None),
        }
    }

    /// What doors decide from.
    pub const fn index(&self) -> &Arc<Index> {
        &self.index
    }

    pub const fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }

    pub const fn store(&self) -> &DataNodeStore {
        &self.store
    }

    /// How it stands, for health and metrics.
    pub fn standing(&self) -> Standing {
        self.index.standing(self.now())
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Starts from the snapshot if there is one that can be believed. Blocks: it reads all of it.
    pub fn start(&self) -> io::Result<Started> {
        let allowed = Allowed { now: self.now(), max_staleness_seconds: self.max_staleness_seconds };
        let mut filling = Filling { index: &self.index, loading: None };
        let (journal, started, place) = match self.restore(allowed, &mut filling) {
            Ok((journal, started, place)) => (Some(journal), started, Some(place)),
            Err(Refused::Removed) => {
                self.forget();
                (None, Started::Waiting(Refused::Removed), None)
            }
            Err(refused) => (None, Started::Waiting(refused), None),
        };
        let kept = place.map_or(Position(0), |place| place.position);
        *self.keep.write() = Some(Keep::start(self.snapshots.clone(), journal, kept)?);
        if let Ok(mut at) = self.place.try_lock() {
            *at = place;
        }
        Ok(started)
    }

    fn restore(
        &self,
        allowed: Allowed,
        filling: &mut Filling<'_>,
    ) -> Result<(crate::snapshot::Journal, Started, Place), Refused> {
        let kept = self.snapshots.read(allowed, filling)?;
        let events: Vec<_> = kept.lines.iter().map(LogLine::event).collect::<Result<_, _>>()?;
        if events.iter().any(|event| self.ends_enrolment(event)) {
            return Err(Refused::Removed);
        }
        let loading = filling.loading.take().unwrap_or_else(|| Loading::begin(&self.index, 0));
        loading.finish(kept.base.position, kept.contact)?;
        if let Err(error) = self.index.apply_all(&events) {
            self.index.stop();
            return Err(error.into());
        }
        let place = kept.lines.last().map_or(kept.base, |line| kept.base.after(line));
        let age_seconds = allowed.now.seconds_since(kept.contact);
        Ok((kept.journal, Started::FromSnapshot { position: place.position, age_seconds }, place))
    }

    /// Applies what the log has beyond this node's position, and answers the position reached.
    ///
    /// # Errors
    /// [`FollowError::Removed`] is for good. After all others the index is as it was, or stale; call again.
    pub async fn follow(&self) -> Result<Position, FollowError> {
        let mut at = self.place.lock().await;
        loop {
            // Before it is read: what is committed meanwhile is news for the next time.
            let asked = self.now();
            let mut reader = self.store.read().await?;
            let head = reader.head().await?;
            self.demand_own(&head, at.as_ref())?;
            let Some(place) = *at else {
                *at = Some(self.load(&mut reader, &head, asked).await?);
                continue;
            };
            let lines = read_after(&mut reader, place).await?;
            let events = self.understood(&lines)?;
            if !self.index.follows() {
                // It contradicted the log. What the log says is understood, so what the rows say is too.
                *at = None;
                continue;
            }
            drop(reader);
            let reached = lines.last().map_or(place, |line| place.after(line));
            let more = lines.len() >= STEP as usize;
            self.apply(&lines, &events)?;
            *at = Some(reached);
            self.index.contact(asked);
            self.keep_lines(lines, reached, asked);
            if !more {
                return Ok(reached.position);
            }
        }
    }

    /// Follows once, before the first answer, so that nothing is let in that was ended while this node was down. None: the
    /// database did not answer in time, and is not waited for; or this node has no snapshot, and decides nothing before
    /// it has read the database.
    pub async fn catch_up(&self, patience: Duration) -> Option<Result<Position, FollowError>> {
        if self.place.lock().await.is_none() {
            return None;
        }
        tokio::time::timeout(patience, self.follow()).await.ok()
    }

    /// Writes a new base if the journal has become long, from the database, beside following. After a failure it is not
    /// tried again for a while, however often this is called.
    pub async fn renew_base(&self) -> Result<(), FollowError> {
        let asked = self.now();
        if !self.keep.read().as_ref().is_some_and(|keep| keep.wants_base(asked)) || !self.index.follows() {
            return Ok(());
        }
        match self.read_base().await {
            Ok(base) => {
                self.keep_base(base, asked);
                Ok(())
            }
            Err(error) => {
                if let Some(keep) = &*self.keep.read() {
                    keep.pause(self.now());
                }
                Err(error)
            }
        }
    }

    async fn read_base(&self) -> Result<Basing, FollowError> {
        let mut reader = self.store.read().await?;
        let head = reader.head().await?;
        self.demand_own(&head, None)?;
        let mut base = self.begin_base(&mut reader, &head).await?;
        for kind in RowKind::ALL {
            if base.row_is_wanted().is_break() {
                break;
            }
            let take = |row| {
                base.row(&row);
                base.row_is_wanted()
            };
            reader.each_row(kind, take).await?;
        }
        Ok(base)
    }

    /// Tells the control nodes how far this one is: what it has applied, and would still know after a restart.
    pub async fn report(&self) -> Result<(), FollowError> {
        self.store.report(self.enrolment.node_id, self.reported(), self.now()).await?;
        Ok(())
    }

    /// The position that [`DataNode::report`] tells.
    pub fn reported(&self) -> Position {
        let kept = self.keep.read().as_ref().map_or(Position(0), Keep::position);
        self.index.as_of().min(kept)
    }

    /// Keeps what is left to keep. Blocks.
    pub fn end(&self) {
        if let Some(keep) = self.keep.write().take() {
            keep.end();
        }
    }

    /// The enrolment was ended: nothing is decided any more, and nothing that could decide is left on the disk.
    fn forget(&self) {
        self.index.stop();
        self.end();
        for removed in [self.snapshots.remove(), Enrolment::remove(self.data())] {
            if let Err(error) = removed {
                tracing::warn!(%error, "what this node kept can't be removed; remove the data folder by hand");
            }
        }
    }

    fn data(&self) -> &Path {
        self.snapshots.data()
    }

    fn demand_own(&self, head: &NodeHead, at: Option<&Place>) -> Result<(), FollowError> {
        let expected = &self.enrolment.instance_id;
        if head.instance_id != *expected {
            let (found, expected) = (head.instance_id.clone(), expected.clone());
            return Err(FollowError::OtherInstance { found, expected });
        }
        match at {
            Some(at) if at.epoch != head.epoch => {
                Err(FollowError::OtherEpoch { found: head.epoch, known: at.epoch })
            }
            _ => Ok(()),
        }
    }

    async fn load(
        &self,
        reader: &mut DataNodeReader,
        head: &NodeHead,
        asked: Timestamp,
    ) -> Result<Place, FollowError> {
        if !reader.is_enrolled(self.enrolment.node_id).await? {
            self.forget();
            return Err(FollowError::Removed);
        }
        self.demand_marked(reader, head).await?;
        let place = Place { epoch: head.epoch, position: head.position, hash: head.hash };
        let mut base = self.begin_base(reader, head).await?;
        let mut loading = Loading::begin(&self.index, base.keys);
        let mut fault = None;
        for kind in RowKind::ALL {
            let take = |row| {
                base.row(&row);
                if let (None, Err(error)) = (&fault, loading.row(&row)) {
                    fault = Some(error);
                }
                ControlFlow::Continue(())
            };
            reader.each_row(kind, take).await?;
        }
        match fault {
            Some(RowError::Store(error)) => return Err(error.into()),
            Some(RowError::Load(error)) => return Err(error.into()),
            None => loading.finish(place.position, asked)?,
        }
        self.keep_base(base, asked);
        tracing::info!(position = place.position.0, "the index is loaded from the database");
        Ok(place)
    }

    /// A node that once was further does not go back, whatever the database says.
    async fn demand_marked(&self, reader: &mut DataNodeReader, head: &NodeHead) -> Result<(), FollowError> {
        let Ok(Marker { place, .. }) = self.snapshots.marker() else { return Ok(()) };
        self.demand_own(head, Some(&place))?;
        read_after(reader, place).await.map(drop)
    }

    async fn begin_base(&self, reader: &mut DataNodeReader, head: &NodeHead) -> Result<Basing, FollowError> {
        let place = Place { epoch: head.epoch, position: head.position, hash: head.hash };
        let keys = reader.key_count().await?;
        Ok(Basing { keys, writer: self.snapshots.begin_base(place, keys) })
    }

    fn keep_base(&self, base: Basing, contact: Timestamp) {
        let Some(keep) = &*self.keep.read() else { return };
        match base.writer.and_then(BaseWriter::end) {
            Ok(base) => keep.base(base, contact, self.now()),
            Err(error) => keep.no_base(error, self.now()),
        }
    }

    fn keep_lines(&self, lines: Vec<LogLine>, place: Place, contact: Timestamp) {
        if let Some(keep) = &*self.keep.read() {
            match lines.is_empty() {
                true => keep.contact(place, contact),
                false => keep.lines(lines, place, contact),
            }
        }
    }

    /// The events of the lines. One that is not understood makes all answers stale, until a program comes that does:
    /// what it may have said must not be passed over.
    fn understood(&self, lines: &[LogLine]) -> Result<Vec<DecidingEvent>, FollowError> {
        let events: Result<Vec<_>, _> = lines.iter().map(LogLine::event).collect();
        events.map_err(|error| {
            self.index.stop();
            error.into()
        })
    }

    fn apply(&self, lines: &[LogLine], events: &[DecidingEvent]) -> Result<(), FollowError> {
        self.index.apply_all(events)?;
        if events.iter().any(|event| self.ends_enrolment(event)) {
            self.forget();
            return Err(FollowError::Removed);
        }
        // What happened before this node began is no delay of its own.
        let followed = lines.iter().map(|line| line.at).filter(|at| *at >= self.began);
        measure_enforcement(followed, self.now());
        Ok(())
    }

    fn ends_enrolment(&self, event: &DecidingEvent) -> bool {
        let ended = |body: &EventBody| matches!(body, EventBody::NodeRemoved { node_id } if *node_id == self.enrolment.node_id);
        event.content.as_ref().is_some_and(|(body, _)| ended(body))
    }
}

/// Rows on their way from a snapshot into the index.
struct Filling<'i> {
    index: &'i Index,
    loading: Option<Loading<'i>>,
}

impl Rows for Filling<'_> {
    fn begin(&mut self, keys: usize) {
        self.loading = Some(Loading::begin(self.index, keys));
    }

    fn row(&mut self, row: &claviger_store::data_node::DecidingRow) -> Result<(), Refused> {
        match self.loading.as_mut().map(|loading| loading.row(row)) {
            Some(Err(RowError::Store(error))) => Err(error.into()),
            Some(Err(RowError::Load(error))) => Err(error.into()),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// A base being written while rows are read; a disk that is full does not end the reading by itself.
struct Basing {
    keys: usize,
    writer: io::Result<BaseWriter>,
}

impl Basing {
    fn row(&mut self, row: &claviger_store::data_node::DecidingRow) {
        if let Ok(writer) = &mut self.writer
            && let Err(error) = writer.row(row)
        {
            self.writer = Err(error);
        }
    }

    /// Whether the disk would take one more.
    const fn row_is_wanted(&self) -> ControlFlow<()> {
        match self.writer {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// The lines after `place`, if the log has at `place` what it had.
async fn read_after(reader: &mut DataNodeReader, place: Place) -> Result<Vec<LogLine>, FollowError> {
    if place.position.0 == 0 {
        return Ok(reader.lines_after(place.position, STEP).await?);
    }
    let mut lines = reader.lines_after(Position(place.position.0 - 1), STEP + 1).await?;
    match lines.first() {
        Some(own) if own.position == place.position && own.hash == place.hash => {
            lines.remove(0);
            Ok(lines)
        }
        _ => Err(FollowError::OtherLog { at: place.position }),
    }
}

/// The generations that keys and secrets share.
fn digest_keys(keys: &NodeKeys) -> Option<DigestKeys> {
    let mut generations = keys.digest_key.iter().filter_map(|key| {
        let secret = keys.digest_secret.by_id(key.id())?;
        Some(DigestGeneration { key: key.clone(), secret: secret.clone() })
    });
    Some(DigestKeys { newest: generations.next()?, previous: generations.next() })
}
