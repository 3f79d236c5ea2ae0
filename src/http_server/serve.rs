//! Serves a router on a listener, within limits, until the stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::connection_limiter::{ConnectionLimiter, ServerLimits, Slot};
use super::limited_listener::LimitedListener;
use crate::fault::Fault;
use crate::stop::Stop;

/// After the stop, requests in progress may take so long; idle connections are closed.
const GRACE: Duration = Duration::from_secs(3);
/// After the stop, connections that were accepted before have so long for the head of their request.
const HEAD_GRACE: Duration = Duration::from_millis(500);

/// Serves until the stop, then waits for the requests in progress, within a limit.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, stop: Stop) -> Result<(), Fault> {
    let limiter = ConnectionLimiter::new(limits);
    let listener = LimitedListener { listener, limiter: Arc::clone(&limiter), stop: stop.clone() };
    let router = router.layer(middleware::from_fn(mark_request));
    let stopping = stop.clone();
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<Slot>()).with_graceful_shutdown(
        async move {
            stopping.wait().await;
            // A connection of which nothing was read yet is closed by the shutdown, even if its request has arrived.
            let _all = timeout(HEAD_GRACE, limiter.heads_received()).await;
        },
    );
    let grace_over = async {
        stop.wait().await;
        sleep(GRACE).await;
    };
    let server = limits.name;
    tokio::select! {
        end = serving.into_future() => end.map_err(|error| Fault::new("listen", format!("HTTP server `{server}`: {error}"))),
        () = grace_over => {
            warn!(server, limit = ?GRACE, "requests did not end within the limit, closing their connections");
            Ok(())
        }
    }
}

/// Tells the connection's [`Slot`] when a request begins and when it has its answer.
async fn mark_request(ConnectInfo(slot): ConnectInfo<Slot>, request: Request, next: Next) -> Response {
    let _until_answered = slot.begin_request();
    next.run(request).await
}
