//! Sends the canary event when it is due, and ends the session when it does not return.

use tracing::warn;

use crate::sources::vcenter::api::EventApi;
use crate::sources::vcenter::reader::{ReadResult, Reader, SessionEnd, Tail};
use crate::vsphere::ApiError;

/// Faults of a vCenter that works but never accepts a user event.
const UNSUPPORTED: [&str; 4] = ["MethodNotFound", "NoPermission", "NotSupported", "InvalidRequest"];

impl Reader<'_> {
    pub(crate) async fn check_canary<A: EventApi>(&mut self, api: &A, tail: &mut Tail<A>) -> ReadResult<()> {
        if self.canary.is_overdue() {
            // A stalled tail is repaired by the audit. A canary that the history itself does not hold is worse.
            self.audit(api, tail).await?;
            if let Some(fault) = self.canary.miss() {
                return Err(SessionEnd::CanaryMissed(fault));
            }
        }
        let Some(message) = self.canary.next() else { return Ok(()) };
        match self.call(api.log_event(&message)).await {
            Err(SessionEnd::Failed(ApiError::Server { name, fault })) if UNSUPPORTED.contains(&name.as_str()) => {
                warn!(source = %self.out.source(), fault = name, "canary disabled, vCenter refuses the event: {fault}");
                self.canary.disable();
                self.out.up();
                Ok(())
            }
            result => {
                if result.is_err() {
                    self.canary.not_sent();
                }
                result
            }
        }
    }
}
