//! Serving, for whoever listens: the listener, and the admin API.

use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::net::TcpListener;
use tracing::warn;

use super::connection_limiter::{ConnectionLimiter, ServerLimits, Slot};
use super::listener::LimitedListener;
use crate::fault::Fault;
use crate::stop::Stop;

/// Requests under way when the stop comes may take so long; idle connections are closed at once.
const GRACE: Duration = Duration::from_secs(3);

/// Serves until the stop, and then lets what is under way finish, within a limit.
pub async fn serve(listener: TcpListener, router: Router, limits: ServerLimits, stop: Stop) -> Result<(), Fault> {
    let threshold = LimitedListener::new(listener, ConnectionLimiter::new(limits));
    let router = router.layer(middleware::from_fn(keep_time));
    let heard = stop.clone();
    let serving = axum::serve(threshold, router.into_make_service_with_connect_info::<Slot>())
        .with_graceful_shutdown(async move { heard.wait().await });
    let too_late = async {
        stop.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    let who = limits.who;
    tokio::select! {
        end = serving.into_future() => end.map_err(|error| Fault::new("listen", format!("the {who}: {error}"))),
        () = too_late => {
            warn!(limit = ?GRACE, "the {who} broke off requests that did not end in time");
            Ok(())
        }
    }
}

async fn keep_time(ConnectInfo(slot): ConnectInfo<Slot>, request: Request, next: Next) -> Response {
    let _until_answered = slot.asked();
    next.run(request).await
}
