//! The life of a shared key, decided: state × act → events or a refusal (product.md C4, C6, C7).

use super::{Audience, SecretOrigin, SharedKey, SharedKeyStatus};
use crate::apis::Requires;
use crate::event::EventBody;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// What is done to a shared key, by the names of the paths; `SetSecret` by the portal's visitor, the others
/// by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SharedKeyAct {
    Enable,
    Disable,
    ResetSecret,
    ClearSecret,
    PortalLink,
    Retrieve,
    SetSecret,
}

impl SharedKeyAct {
    pub const ALL: [Self; 7] = [
        Self::Enable,
        Self::Disable,
        Self::ResetSecret,
        Self::ClearSecret,
        Self::PortalLink,
        Self::Retrieve,
        Self::SetSecret,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::ResetSecret => "reset-secret",
            Self::ClearSecret => "clear-secret",
            Self::PortalLink => "portal-link",
            Self::Retrieve => "retrieve",
            Self::SetSecret => "set-secret",
        }
    }
}

/// Who picks a new secret's characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Generated,
    Typed,
}

/// What the portal's visitor asks for: a new secret, and whether the one in force was shown to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretChange {
    pub choice: Choice,
    /// `None`: no present secret was given; else whether it was the right one.
    pub present_matches: Option<bool>,
}

impl SharedKey {
    /// Refuses one key more than a section may have; disabled ones count.
    pub const fn check_limit(in_section: u32, limit: u32) -> Result<(), Refusal> {
        if in_section < limit { Ok(()) } else { Err(Refusal::LimitReached { limit }) }
    }

    /// The owner's acts that the present state allows.
    pub fn allowed_acts(&self) -> Vec<SharedKeyAct> {
        SharedKeyAct::ALL.into_iter().filter(|act| self.fits(*act)).collect()
    }

    fn fits(&self, act: SharedKeyAct) -> bool {
        match act {
            SharedKeyAct::Enable => self.status == SharedKeyStatus::Disabled,
            SharedKeyAct::Disable => self.status == SharedKeyStatus::Active,
            SharedKeyAct::ResetSecret => self.audience == Audience::Inside,
            SharedKeyAct::ClearSecret => self.audience == Audience::Outside && self.secret.is_some(),
            SharedKeyAct::PortalLink => self.audience == Audience::Outside,
            SharedKeyAct::Retrieve => self.retrievable,
            // The visitor's own: no act of the owner's.
            SharedKeyAct::SetSecret => false,
        }
    }

    pub fn enable(&self) -> Result<EventBody, Refusal> {
        self.check(SharedKeyAct::Enable)?;
        Ok(EventBody::SharedKeyEnabled { shared_key_id: self.id })
    }

    pub fn disable(&self) -> Result<EventBody, Refusal> {
        self.check(SharedKeyAct::Disable)?;
        Ok(EventBody::SharedKeyDisabled { shared_key_id: self.id })
    }

    /// The owner's reset: a new generated secret, inside only.
    pub fn reset_secret(&self, retrievable: bool) -> Result<EventBody, Refusal> {
        if self.audience == Audience::Outside {
            return Err(Refusal::SetThroughPortal);
        }
        Ok(EventBody::SharedKeySecretReset { shared_key_id: self.id, retrievable })
    }

    /// The owner clears an outside key's secret, so that the link alone can set one again.
    pub fn clear_secret(&self) -> Result<EventBody, Refusal> {
        self.check(SharedKeyAct::ClearSecret)?;
        Ok(EventBody::SharedKeySecretCleared { shared_key_id: self.id })
    }

    /// A new portal link, which ends the old one.
    pub fn create_portal_link(&self, expires_at: Option<Timestamp>) -> Result<EventBody, Refusal> {
        self.check(SharedKeyAct::PortalLink)?;
        Ok(EventBody::SharedKeyPortalLinkCreated { shared_key_id: self.id, expires_at })
    }

    /// Withdraws the portal link. There is nothing to withdraw where none was made.
    pub fn delete_portal_link(&self) -> Result<EventBody, Refusal> {
        match self.portal_link {
            Some(_) => Ok(EventBody::SharedKeyPortalLinkDeleted { shared_key_id: self.id }),
            None => Err(Refusal::NotFound),
        }
    }

    /// Leave to show the value again.
    pub fn retrieve(&self) -> Result<EventBody, Refusal> {
        if !self.retrievable {
            return Err(Refusal::AlreadyShown);
        }
        Ok(EventBody::SharedKeyRetrieved { shared_key_id: self.id })
    }

    /// The visitor's secret: with the link alone only while none is set; after that the present one has to be
    /// given. Where the secret alone identifies the key, none can be typed.
    pub fn set_secret(&self, change: SecretChange, requires: Requires) -> Result<EventBody, Refusal> {
        if self.audience == Audience::Inside || self.status == SharedKeyStatus::Disabled {
            return Err(self.invalid_transition(SharedKeyAct::SetSecret));
        }
        if change.choice == Choice::Typed && requires == Requires::Secret {
            return Err(Refusal::invalid(
                "/secret",
                "can't be chosen where the secret alone identifies the caller; leave it out, and one is generated",
            ));
        }
        match (self.secret, change.present_matches) {
            (None, _) | (Some(_), Some(true)) => {}
            (Some(_), Some(false)) => {
                return Err(Refusal::invalid("/current_secret", "is not the secret in force"));
            }
            (Some(_), None) => {
                return Err(Refusal::invalid(
                    "/current_secret",
                    "is needed, for a secret is set; who has lost it asks the key's owner to clear it",
                ));
            }
        }
        let origin = match change.choice {
            Choice::Generated => SecretOrigin::Generated,
            Choice::Typed => SecretOrigin::Typed,
        };
        Ok(EventBody::SharedKeySecretSet { shared_key_id: self.id, origin })
    }

    fn check(&self, act: SharedKeyAct) -> Result<(), Refusal> {
        if self.fits(act) { Ok(()) } else { Err(self.invalid_transition(act)) }
    }

    fn invalid_transition(&self, act: SharedKeyAct) -> Refusal {
        Refusal::InvalidTransition {
            from: self.status.as_str(),
            act: act.as_str(),
            allowed: self.allowed_acts().into_iter().map(SharedKeyAct::as_str).collect(),
        }
    }
}
