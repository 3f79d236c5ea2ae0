//! One session after the other, until the stop.

use tracing::error;

use super::end::SessionEnd;
use super::state::Reader;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::reconnect::Reconnect;
use crate::sources::vcenter::api::{Connect, EventApi};
use crate::stop::Stop;
use crate::vsphere::ApiError;

pub(crate) async fn run<C: Connect>(
    connect: &C,
    reader: &mut Reader<'_>,
    reconnect: &mut Reconnect<'_>,
    out: &Outbox,
    stop: &Stop,
) {
    loop {
        let end = match connect.connect(stop).await {
            Ok(None) => return,
            Err(_) if stop.is_triggered() => return,
            Err(error) => SessionEnd::Failed(error),
            Ok(Some(api)) => {
                reconnect.connected();
                let end = tokio::select! {
                    end = reader.read_session(&api) => end,
                    () = api.session_lost() => SessionEnd::Failed(ApiError::SessionLost),
                };
                api.close().await;
                end
            }
        };
        let fault = match end {
            SessionEnd::Stopped => return,
            SessionEnd::RestartTail => continue,
            SessionEnd::Failed(error) => report(&error, reconnect),
            SessionEnd::CanaryMissed(fault) => {
                error!(source = %out.source(), %fault, "canary event did not return, reconnecting");
                reconnect.lost(&fault);
                fault
            }
        };
        out.down(fault);
        if reconnect.wait().await.is_none() {
            return;
        }
    }
}

fn report(error: &ApiError, reconnect: &mut Reconnect<'_>) -> Fault {
    let fault = error.fault();
    match error {
        ApiError::LoginRefused(_) => reconnect.refused(&fault),
        error if error.is("NoPermission") => reconnect.refused(&fault),
        _ => reconnect.lost(&fault),
    }
    fault
}
