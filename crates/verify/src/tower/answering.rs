//! The answer to a call, on its way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tower_service::Service;

use super::guard::{Admission, Admitted, Guard, Settling};
use super::told::{Refusal, Told};

pin_project_lite::pin_project! {
    /// The answer to a call: that of the service, or that it may not pass.
    pub struct Answering<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = Projected]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// Nothing was asked yet: a call that its caller gives up before it is begun is not decided on.
        Begun { call: Option<(Arc<Guard>, S, Request<B>)> },
        /// What limits the call is being asked.
        Settling { settling: Settling, waiting: Option<(S, B)> },
        Passed { #[pin] answer: S::Future, told: Option<Told> },
        Refused { refusal: Option<Box<Refusal>> },
    }
}

impl<S: Service<Request<B>>, B> Answering<S, B> {
    pub(super) const fn begin(guard: Arc<Guard>, service: S, request: Request<B>) -> Self {
        Self { state: State::Begun { call: Some((guard, service, request)) } }
    }
}

impl<S: Service<Request<B>>, B> State<S, B> {
    fn asked(guard: &Arc<Guard>, service: S, request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        let waiting = (service, body);
        match guard.admit(parts) {
            Admission::Settled(settled) => Self::settled(settled, waiting),
            Admission::Settling(settling) => Self::Settling { settling, waiting: Some(waiting) },
        }
    }

    fn settled(settled: Result<Admitted, Box<Refusal>>, (mut service, body): (S, B)) -> Self {
        match settled {
            Ok(Admitted { parts, told }) => {
                let answer = service.call(Request::from_parts(*parts, body));
                Self::Passed { answer, told: Some(told) }
            }
            Err(refusal) => Self::Refused { refusal: Some(refusal) },
        }
    }
}

impl<S, B, R> Future for Answering<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                Projected::Begun { call } => {
                    let Some((guard, service, request)) = call.take() else { return Poll::Pending };
                    State::asked(&guard, service, request)
                }
                Projected::Settling { settling, waiting } => {
                    let settled = ready!(settling.as_mut().poll(context));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    State::settled(settled, waiting)
                }
                Projected::Passed { answer, told } => {
                    let mut response = ready!(answer.poll(context))?;
                    if let Some(told) = told.take() {
                        told.put(response.headers_mut());
                    }
                    return Poll::Ready(Ok(response));
                }
                Projected::Refused { refusal } => {
                    let Some(refusal) = refusal.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(refusal.into_response()));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> std::fmt::Debug for Answering<S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
