//! The log as callers read it: listed, filtered, exported, and where its chain stands (product.md G1).

use claviger_domain::event::{Event, EventBody, Position};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_store::{EventFilter, EventSort, ListQuery, Visible};
use claviger_wire::Page;
use claviger_wire::events as wire;

use crate::authority::Authority;
use crate::error::Error;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Read, Request, Status};
use crate::state::Service;

/// How many events one step of an export reads.
const EXPORT_STEP: u32 = 500;

/// An export under way: what is left of it is read step by step.
#[derive(Debug)]
pub struct Export {
    query: ListQuery<EventFilter, EventSort>,
    done: bool,
}

/// What the exporting of a log is recorded as.
#[derive(Debug, serde::Serialize)]
struct Exported;

impl Answer for Exported {}

impl Service {
    pub async fn event_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Event>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let query = self.event_query(request, given, &authority)?;
        let page = reader.events(&query).await?;
        let items = on_wire(&query.visible, &page.items)?;
        self.page(request, given, page.with_items(items))
    }

    pub async fn event_read(&self, request: &Request, id: &str) -> Result<Read<wire::Event>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        let event = reader.event(id).await?.ok_or(Refusal::NotFound)?;
        let visible = Visible::within(authority.visible(Permission::EventsRead));
        let seen = |place: &Place| visible.scopes.iter().any(|scope| scope.covers(place));
        if !seen(&event.event.place) && !event.event.counterpart.as_ref().is_some_and(seen) {
            return Err(Error::not_found());
        }
        Read::of(shown(&visible, &event)?)
    }

    /// Where the chain stands. Whoever notes it can later show that the past was rewritten.
    pub async fn event_proof(&self, request: &Request) -> Result<Read<wire::Proof>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        if !authority.allows_somewhere(Permission::EventsRead) {
            return Err(Error::forbidden(Permission::EventsRead));
        }
        let (position, hash) = reader.position_and_hash().await?;
        let instance = reader.instance().await?.ok_or(Refusal::NotFound)?;
        Read::of(wire::Proof {
            epoch: i64::from(instance.epoch),
            position: position.0,
            head_hash: wire::hex(&hash),
        })
    }

    /// Begins to export what a list with these parameters would show, oldest first. That it was exported
    /// is in the log before the first line is given.
    pub async fn event_export(&self, request: &Request, given: &ListParameters) -> Result<Export, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let to_position = reader.position().await?;
        let mut query = self.event_query(request, given, &authority)?;
        query.filter.up_to = Some(to_position);
        drop(reader);
        self.write(request, "log_export", Status::Done, |write| {
            Box::pin(async move {
                let organization_id = write.authority.organization_id;
                let place = Place::organization(organization_id);
                if !write.authority.holds(Permission::EventsExport) {
                    return Err(Error::forbidden(Permission::EventsExport));
                }
                let event =
                    EventBody::LogExported { organization_id, from_position: Position(1), to_position };
                write.append(place, event).await?;
                Ok(Exported)
            })
        })
        .await?;
        // What may be read is exported only where exporting is allowed too.
        let exportable = authority.visible(Permission::EventsExport);
        let visible = Visible::within(query.visible.scopes.iter().flat_map(|readable| {
            exportable.iter().filter_map(|exportable| readable.intersection(exportable))
        }));
        let query =
            ListQuery { limit: EXPORT_STEP, descending: false, cursor: None, count: false, visible, ..query };
        Ok(Export { query, done: false })
    }

    /// The next events of an export; none: it is complete.
    pub async fn event_export_next(&self, export: &mut Export) -> Result<Vec<wire::Event>, Error> {
        if export.done {
            return Ok(Vec::new());
        }
        let page = self.state.store.read().await?.events(&export.query).await?;
        export.done = page.next.is_none();
        export.query.cursor = page.next;
        on_wire(&export.query.visible, &page.items)
    }

    fn event_query(
        &self,
        request: &Request,
        given: &ListParameters,
        authority: &Authority,
    ) -> Result<ListQuery<EventFilter, EventSort>, Error> {
        let visible = authority.listed(Permission::EventsRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = EventFilter {
            actors: parameters.owned("actor_id"),
            subjects: parameters.owned("subject_id"),
            subject_kinds: parameters.owned("subject_kind"),
            kinds: parameters.owned("kind"),
            at: parameters.between("at_after", "at_before")?,
            after: parameters.parsed("position_after", "a position of the log, such as 42")?.map(Position),
            ..EventFilter::default()
        };
        let sorts = [("position", EventSort::Position)];
        parameters.finish(self, request, &sorts, filter, visible)
    }
}

fn on_wire(visible: &Visible, events: &[Event]) -> Result<Vec<wire::Event>, Error> {
    events.iter().map(|event| shown(visible, event)).collect()
}

/// The event as those see it who may see what is inside `visible`. Of what two sides share, the other side
/// is not told who acted here, nor from where: the people of an Organization are its own affair.
fn shown(visible: &Visible, event: &Event) -> Result<wire::Event, Error> {
    let shown = wire::Event::new(event).map_err(Error::internal)?;
    if visible.scopes.iter().any(|scope| scope.covers(&event.event.place)) {
        return Ok(shown);
    }
    let actor = wire::Actor { id: None, name: String::new(), ..shown.actor };
    Ok(wire::Event { actor, from: None, ..shown })
}
