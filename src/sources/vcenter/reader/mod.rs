//! Reading the history, one session after the other, until the stop.

mod audit;
mod catch_up;
mod collector;
mod page_diff;
mod resume;
mod session;
mod state;
mod tail;

use super::api::{Connect, EventApi};
use crate::reconnect::Reconnect;
use crate::vsphere::ApiError;

pub(super) use state::Reader;
use state::SessionEnd;

pub(super) async fn run<C: Connect>(connect: &C, mut reader: Reader<'_>, mut reconnect: Reconnect<'_>) {
    let (out, stop) = (reader.out, reader.stop);
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
                if std::mem::take(&mut reader.delivered) {
                    reconnect.delivered();
                }
                end
            }
        };
        let error = match end {
            SessionEnd::Stopped => return,
            SessionEnd::RestartTail => continue,
            SessionEnd::Failed(error) => error,
        };
        let fault = error.fault();
        if matches!(error, ApiError::LoginRefused(_)) || error.is("NoPermission") {
            reconnect.refused(&fault);
        } else {
            reconnect.lost(&fault);
        }
        out.down(fault);
        if reconnect.wait().await.is_none() {
            return;
        }
    }
}
