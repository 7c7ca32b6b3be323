//! Formats refusals as one line, to compare them.

use chinwag::proto::Refusal;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Returns the code, the reason and the invalid fields: `InvalidArgument INVALID_FIELD name`. All
/// refusals of a hub or a client must have these details.
#[track_caller]
pub(crate) fn why(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "chinwag", "{status:?}");
    assert!(!status.message().is_empty(), "{status:?}");
    let bad = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    assert!(bad.iter().all(|violation| !violation.description.is_empty()), "{status:?}");
    line(status.code(), &info.reason, bad.iter().map(|violation| violation.field.as_str()))
}

/// Formats a refusal within a stream.
#[track_caller]
pub(crate) fn why_in_stream(refusal: &Refusal) -> String {
    assert!(!refusal.message.is_empty(), "{refusal:?}");
    let fields = refusal.field_violations.iter().map(|violation| violation.field.as_str());
    line(Code::from_i32(refusal.code), &refusal.reason, fields)
}

fn line<'a>(code: Code, reason: &str, fields: impl Iterator<Item = &'a str>) -> String {
    let mut line = format!("{code:?} {reason}");
    for field in fields {
        line.push(' ');
        line.push_str(field);
    }
    line
}
