//! The channels of a permutation: what its platform leaves of them, and whether it depends on `channel-out` at all. Asked by
//! `expand`; what `{{NAME.url}}` then says is the setting's to know.

use spanwise_model::Platform;

use crate::Channel;
use crate::axes::{Axis, CHANNEL_IN, CHANNEL_OUT, Shown, Value};
use crate::axis::Choice;
use crate::format::CaseFile;

/// Makes the channels of a permutation those of its platform; false where it is not planned.
///
/// On Cloud Run every channel is secure: one that the suite does not list becomes so, and of one that it lists only that value
/// is planned.
pub(crate) fn settle(shown: &Shown, choice: &mut Choice) -> bool {
    if choice.platform == Platform::Plain {
        return true;
    }
    let insecure = Channel::Insecure.as_str();
    if shown.iter().any(|(axis, word)| [CHANNEL_IN, CHANNEL_OUT].contains(&axis.as_str()) && word == insecure)
    {
        return false;
    }
    (choice.channel_in, choice.channel_out) = (Channel::Secure, Channel::Secure);
    true
}

/// Takes `channel-out` out of a permutation that does not depend on it; false for all but one of its values.
pub(crate) fn without_channel_out(
    axes: &[Axis],
    case: &CaseFile,
    shown: &mut Shown,
    choice: &mut Choice,
) -> bool {
    let Some(at) = shown.iter().position(|(axis, _)| axis == CHANNEL_OUT) else { return true };
    let Some(axis) = axes.iter().find(|axis| axis.name == CHANNEL_OUT) else { return true };
    let planned =
        |value: &&Value| choice.platform == Platform::Plain || value.word == Channel::Secure.as_str();
    let allowed = case.axes.get(CHANNEL_OUT);
    let is_allowed = |value: &&Value| {
        allowed.is_none_or(|allowed| allowed.iter().any(|one| one.value.to_string() == value.word))
    };
    let mut values = axis.values.iter().filter(planned);
    let (base, first) = (values.clone().next(), values.find(is_allowed));
    let (_, word) = shown.remove(at);
    let is_first = first.is_some_and(|first| first.word == word);
    if let Some(base) = base {
        choice.apply(CHANNEL_OUT, base);
    }
    is_first
}
