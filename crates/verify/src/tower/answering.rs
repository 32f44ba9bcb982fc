//! The answer to a call, on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tower_service::Service;

use super::guard::{Admission, Admitted, Settling};
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
        /// What limits the call is being asked.
        Settling { settling: Settling, waiting: Option<(S, B)> },
        Passed { #[pin] answer: S::Future, told: Option<Told> },
        Refused { refusal: Option<Box<Refusal>> },
    }
}

impl<S: Service<Request<B>>, B> Answering<S, B> {
    pub(super) fn begin(admission: Admission, service: S, body: B) -> Self {
        let waiting = (service, body);
        let state = match admission {
            Admission::Settled(settled) => State::settled(settled, waiting),
            Admission::Settling(settling) => State::Settling { settling, waiting: Some(waiting) },
        };
        Self { state }
    }
}

impl<S: Service<Request<B>>, B> State<S, B> {
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
