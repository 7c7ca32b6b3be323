//! Conversions between the protocol and the model.
//!
//! Everything received is parsed here, field by field, with the path of the field in the error;
//! everything sent is made here. No other module turns a [`RequestError`] into a [`Status`].

#![cfg_attr(not(feature = "hub"), allow(dead_code, reason = "only a hub parses its requests"))]

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    error::{Gone, ProtocolError, Reason, Refusal, RequestError, Result, Violation},
    model::{
        Certificate, DirectMessage, Draft, Endpoint, Fingerprint, Invalid, InviteCode,
        MAX_ENDPOINTS, MAX_LAST, Message, MessageId, Name, Peer, PeerStatus, Position, Posted,
        Receipt, Room, RoomName, SearchHit, Start, Text,
    },
    proto,
};

/// `ErrorInfo.domain` of all our errors.
const ERROR_DOMAIN: &str = "chinwag";

/// The key in `ErrorInfo.metadata` of the name that the hub's operator gave the caller.
const NEW_NAME: &str = "name";

/// When a client should return to a stopping server: the time of a restart.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// When a sender should try a full inbox again: about the time in which a person reads a line.
const INBOX_DELAY: Duration = Duration::from_secs(1);

/// When a client that could not ask its hub about a caller may have an answer.
const PROOF_DELAY: Duration = Duration::from_secs(1);

// ---------------------------------------------------------------------------------------------
// Errors

/// Returns the code, the stable reason, and when to try again.
fn facts(error: &RequestError) -> (Code, Reason, Option<Duration>) {
    match error {
        RequestError::Invalid(_) => (Code::InvalidArgument, Reason::InvalidField, None),
        RequestError::NameTaken(_) | RequestError::OtherName { .. } => {
            (Code::AlreadyExists, Reason::NameTaken, None)
        }
        RequestError::Renamed { .. } => (Code::FailedPrecondition, Reason::NameChanged, None),
        RequestError::NameConfusable { .. } => (Code::AlreadyExists, Reason::NameConfusable, None),
        RequestError::GuestsRefused => (Code::PermissionDenied, Reason::GuestsRefused, None),
        RequestError::InviteRequired { .. } => {
            (Code::PermissionDenied, Reason::InviteRequired, None)
        }
        RequestError::Removed => (Code::PermissionDenied, Reason::Removed, None),
        RequestError::TokenRefused(_) => (Code::Unauthenticated, Reason::TokenRefused, None),
        RequestError::MemberUnknown(_) => (Code::NotFound, Reason::NotFound, None),
        RequestError::SessionMissing => (Code::Unauthenticated, Reason::SessionMissing, None),
        RequestError::SessionEnded => (Code::Unauthenticated, Reason::SessionEnded, None),
        RequestError::PlaintextRefused => {
            (Code::FailedPrecondition, Reason::PlaintextRefused, None)
        }
        RequestError::NotJoined(_) => (Code::FailedPrecondition, Reason::NotJoined, None),
        RequestError::PeerUnknown(_) => (Code::NotFound, Reason::PeerUnknown, None),
        RequestError::MessageIdReused(_) => (Code::AlreadyExists, Reason::MessageIdReused, None),
        RequestError::PositionGone(Gone::Epoch) => (Code::OutOfRange, Reason::EpochChanged, None),
        RequestError::PositionGone(Gone::Truncated) => {
            (Code::OutOfRange, Reason::PositionGone, None)
        }
        RequestError::PositionGone(Gone::Ahead) => (Code::OutOfRange, Reason::PositionAhead, None),
        RequestError::LimitReached { retry_after, .. } => {
            (Code::ResourceExhausted, Reason::LimitReached, *retry_after)
        }
        RequestError::RateLimited { retry_after, .. } => {
            (Code::ResourceExhausted, Reason::RateLimited, Some(*retry_after))
        }
        RequestError::SearchTooBroad => (Code::ResourceExhausted, Reason::SearchTooBroad, None),
        RequestError::InboxFull => (Code::ResourceExhausted, Reason::InboxFull, Some(INBOX_DELAY)),
        RequestError::WrongReceiver(_) => (Code::FailedPrecondition, Reason::WrongReceiver, None),
        RequestError::CallerRefused(_) => (Code::PermissionDenied, Reason::CallerRefused, None),
        RequestError::CallerUnproved(_) => {
            (Code::PermissionDenied, Reason::CallerRefused, Some(PROOF_DELAY))
        }
        RequestError::CallerKeyChanged(_) => {
            (Code::PermissionDenied, Reason::CallerKeyChanged, None)
        }
        RequestError::ShuttingDown => {
            (Code::Unavailable, Reason::ShuttingDown, Some(RESTART_DELAY))
        }
        RequestError::StoreUnavailable(_) => (Code::Unavailable, Reason::StoreUnavailable, None),
        RequestError::Refused(refusal) => (refusal.code, Reason::Refused, refusal.retry_after),
        RequestError::Internal(_) => (Code::Internal, Reason::Internal, None),
    }
}

/// Returns the message for the other side. Internal errors are logged instead of sent.
fn public_message(error: &RequestError, code: Code) -> String {
    match error {
        // The store has logged the cause once; each refused post repeats the error.
        RequestError::StoreUnavailable(_) => "the hub's store takes no messages now".into(),
        _ if code == Code::Internal => {
            tracing::error!(?error, "internal error");
            "internal error".into()
        }
        _ => error.to_string(),
    }
}

/// Returns the stable reason of an error.
pub(crate) fn reason(error: &RequestError) -> Reason {
    facts(error).1
}

/// Returns the refusal for an error on a stream.
pub(crate) fn refusal(error: &RequestError) -> proto::Refusal {
    let (code, reason, retry_after) = facts(error);
    let violations = match error {
        RequestError::Invalid(violations) => violations.as_slice(),
        _ => &[],
    };
    proto::Refusal {
        code: code as i32,
        message: public_message(error, code),
        reason: reason.to_string(),
        field_violations: violations
            .iter()
            .map(|v| proto::FieldViolation {
                field: v.field.clone(),
                description: v.problem.clone(),
            })
            .collect(),
        retry_delay: retry_after.and_then(|delay| delay.try_into().ok()),
    }
}

/// Returns the status for an error, with google.rpc details.
pub fn status(error: &RequestError) -> Status {
    let (code, reason, retry_after) = facts(error);
    let mut details = ErrorDetails::new();
    let mut metadata = HashMap::new();
    if let RequestError::Renamed { now } = error {
        metadata.insert(NEW_NAME.to_owned(), now.to_string());
    }
    details.set_error_info(reason.as_str(), ERROR_DOMAIN, metadata);
    if let RequestError::Invalid(violations) = error {
        for violation in violations {
            details.add_bad_request_violation(&violation.field, &violation.problem);
        }
    }
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    Status::with_error_details(code, public_message(error, code), details)
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        status(&error)
    }
}

/// Returns the error of a request that cannot be decoded, for which tonic's status has no details.
pub(crate) fn undecodable(status: &Status) -> RequestError {
    match status.code() {
        // Its message has the length of the request, and the limit.
        Code::OutOfRange | Code::ResourceExhausted => {
            RequestError::LimitReached { what: status.message().to_owned(), retry_after: None }
        }
        _ => RequestError::invalid("request", "cannot be decoded"),
    }
}

/// Adds details to a status that tonic, or a service that is not ours, made without.
pub(crate) fn explain(response: http::Response<Body>) -> http::Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(bare) if bare.code() != Code::Ok && bare.details().is_empty() => {
            explained(&bare).into_http()
        }
        _ => response,
    }
}

fn explained(bare: &Status) -> Status {
    let reason = match bare.code() {
        Code::OutOfRange | Code::Internal => return status(&undecodable(bare)),
        Code::Unimplemented => Reason::MethodUnknown,
        Code::NotFound => Reason::NotFound,
        Code::DeadlineExceeded | Code::Cancelled => Reason::DeadlineExceeded,
        _ => Reason::Refused,
    };
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.as_str(), ERROR_DOMAIN, [] as [(String, String); 0]);
    let message = match bare.message() {
        "" => bare.code().description(),
        message => message,
    };
    Status::with_error_details(bare.code(), message, details)
}

/// Returns the refusal in a received status.
pub fn refused(status: &Status) -> Refusal {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    Refusal {
        code: status.code(),
        reason: details.error_info().map_or("", |info| &info.reason).into(),
        message: status.message().to_owned(),
        violations: violations
            .unwrap_or_default()
            .iter()
            .map(|v| Violation { field: v.field.clone(), problem: v.description.clone() })
            .collect(),
        retry_after: details.retry_info().and_then(|info| info.retry_delay),
    }
}

/// Returns the name that the hub's operator gave the caller, from a received status.
pub(crate) fn new_name(status: &Status) -> Option<Name> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.reason == Reason::NameChanged.as_str())?;
    Name::parse(info.metadata.get(NEW_NAME)?).ok()
}

/// Returns the refusal in a message of a stream.
pub(crate) fn refused_in_stream(refusal: proto::Refusal) -> Refusal {
    Refusal {
        code: Code::from_i32(refusal.code),
        reason: refusal.reason.as_str().into(),
        message: refusal.message,
        violations: refusal
            .field_violations
            .into_iter()
            .map(|v| Violation { field: v.field, problem: v.description })
            .collect(),
        retry_after: refusal.retry_delay.and_then(|delay| delay.try_into().ok()),
    }
}

// ---------------------------------------------------------------------------------------------
// Requests. Each function names the field that it parses.

/// Adds the path of the field to an invalid value.
pub(crate) fn field<T>(path: &str, value: Result<T, Invalid>) -> Result<T> {
    value.map_err(|problem| RequestError::invalid(path, problem))
}

/// Parses a peer's name.
pub fn name(path: &str, raw: &str) -> Result<Name> {
    field(path, Name::parse(raw))
}

/// Parses a room's name.
pub(crate) fn room_name(path: &str, raw: &str) -> Result<RoomName> {
    field(path, RoomName::parse(raw))
}

/// Parses a room's name; an empty one means the default room.
pub(crate) fn room_name_or_lobby(path: &str, raw: &str) -> Result<RoomName> {
    if raw.is_empty() { Ok(RoomName::lobby()) } else { room_name(path, raw) }
}

/// Parses a list of endpoints.
pub(crate) fn endpoints(path: &str, raw: &[proto::Endpoint]) -> Result<Vec<Endpoint>> {
    if raw.len() > MAX_ENDPOINTS {
        return Err(RequestError::invalid(path, format!("at most {MAX_ENDPOINTS} endpoints")));
    }
    raw.iter()
        .enumerate()
        .map(|(i, e)| field(&format!("{path}[{i}]"), Endpoint::new(&e.host, e.port)))
        .collect()
}

/// Parses a status; `None` if it is unspecified.
pub(crate) fn peer_status(path: &str, raw: i32) -> Result<Option<PeerStatus>> {
    match proto::PeerStatus::try_from(raw) {
        Ok(proto::PeerStatus::Unspecified) => Ok(None),
        Ok(proto::PeerStatus::Online) => Ok(Some(PeerStatus::Online)),
        Ok(proto::PeerStatus::Away) => Ok(Some(PeerStatus::Away)),
        Ok(proto::PeerStatus::Busy) => Ok(Some(PeerStatus::Busy)),
        Ok(proto::PeerStatus::Invisible) => Ok(Some(PeerStatus::Invisible)),
        Err(_) => Err(RequestError::invalid(path, format!("{raw} is not a status"))),
    }
}

/// Parses an invitation's code; `None` if it is empty.
pub(crate) fn invite_code(path: &str, raw: &str) -> Result<Option<InviteCode>> {
    if raw.is_empty() { Ok(None) } else { field(path, InviteCode::parse(raw)).map(Some) }
}

/// Parses a timestamp.
pub(crate) fn timestamp(path: &str, raw: prost_types::Timestamp) -> Result<Timestamp> {
    Timestamp::new(raw.seconds, raw.nanos)
        .ok()
        .filter(|_| (0..1_000_000_000).contains(&raw.nanos))
        .ok_or_else(|| RequestError::invalid(path, "not a time"))
}

/// Parses a post, whose field paths begin with `prefix`. The sender is the authenticated caller.
pub(crate) fn draft(prefix: &str, sender: &Name, post: proto::PostRequest) -> Result<Draft> {
    let within = |field: &str| format!("{prefix}{field}");
    let id = if post.id.is_empty() {
        MessageId::new()
    } else {
        field(&within("id"), MessageId::parse(&post.id))?
    };
    Ok(Draft {
        id,
        room: room_name_or_lobby(&within("room"), &post.room)?,
        sender: sender.clone(),
        text: field(&within("text"), Text::parse(post.text))?,
    })
}

/// Parses a join.
pub(crate) fn join(path: &str, join: proto::Join) -> Result<(RoomName, Start)> {
    use proto::join::Start as Raw;
    let room = room_name(&format!("{path}.room"), &join.room)?;
    let start = match join.start {
        None => Start::Head,
        Some(Raw::After(position)) => Start::After(position.into()),
        Some(Raw::Last(count)) if count > MAX_LAST => {
            let most = format!("at most {MAX_LAST} messages");
            return Err(RequestError::invalid(format!("{path}.last"), most));
        }
        Some(Raw::Last(count)) => Start::Last(count),
        Some(Raw::Since(at)) => Start::Since(timestamp(&format!("{path}.since"), at)?),
    };
    Ok((room, start))
}

/// Parses a direct message.
pub(crate) fn direct_message(
    path: &str,
    raw: Option<proto::DirectMessage>,
) -> Result<DirectMessage> {
    let raw = raw.ok_or_else(|| RequestError::invalid(path, "missing"))?;
    let within = |field: &str| format!("{path}.{field}");
    Ok(DirectMessage {
        id: field(&within("id"), MessageId::parse(&raw.id))?,
        sender: name(&within("sender"), &raw.sender)?,
        sent_at: raw.sent_at.map(|at| timestamp(&within("sent_at"), at)).transpose()?,
        text: field(&within("text"), Text::parse(raw.text))?,
    })
}

// ---------------------------------------------------------------------------------------------
// Answers. They are as untrusted as requests, but an invalid one is the other side's error.

/// Returns a required part of an answer.
pub(crate) fn present<T>(what: &str, value: Option<T>) -> Result<T, ProtocolError> {
    value.ok_or_else(|| ProtocolError(format!("{what} is missing")))
}

fn valid<T, E: std::fmt::Display>(what: &str, value: Result<T, E>) -> Result<T, ProtocolError> {
    value.map_err(|problem| ProtocolError(format!("{what}: {problem}")))
}

impl TryFrom<proto::Message> for Message {
    type Error = ProtocolError;

    fn try_from(raw: proto::Message) -> Result<Self, ProtocolError> {
        Ok(Self {
            id: valid("message id", MessageId::parse(&raw.id))?,
            room: valid("room", RoomName::parse(&raw.room))?,
            position: present("position", raw.position)?.into(),
            prev_seq: raw.prev_seq,
            sender: valid("sender", Name::parse(&raw.sender))?,
            created_at: valid("time", timestamp("created_at", present("time", raw.created_at)?))?,
            text: valid("text", Text::parse(raw.text))?,
        })
    }
}

impl TryFrom<proto::SearchHit> for SearchHit {
    type Error = ProtocolError;

    fn try_from(raw: proto::SearchHit) -> Result<Self, ProtocolError> {
        let message = Message::try_from(present("message", raw.message)?)?;
        let text = message.text.as_str();
        let mut from = 0;
        for range in &raw.ranges {
            let (start, end) = (range.start as usize, range.end as usize);
            if start < from || end < start || text.get(start..end).is_none() {
                return Err(ProtocolError("a range outside of the text".into()));
            }
            from = end;
        }
        let ranges = raw.ranges.iter().map(|r| r.start as usize..r.end as usize).collect();
        Ok(Self { message, ranges })
    }
}

impl TryFrom<proto::PostResponse> for Posted {
    type Error = ProtocolError;

    fn try_from(raw: proto::PostResponse) -> Result<Self, ProtocolError> {
        Ok(Self {
            id: valid("message id", MessageId::parse(&raw.id))?,
            room: valid("room", RoomName::parse(&raw.room))?,
            position: present("position", raw.position)?.into(),
            created_at: valid("time", timestamp("created_at", present("time", raw.created_at)?))?,
            duplicate: raw.duplicate,
        })
    }
}

/// Parses a list of peers. An invalid peer is skipped, so that it does not hide the others.
pub(crate) fn listed_peers(raw: Vec<proto::Peer>) -> impl Iterator<Item = Peer> {
    raw.into_iter().filter_map(|peer| match Peer::try_from(peer) {
        // The certificates of all would take much memory.
        Ok(peer) => Some(Peer { certificate: None, ..peer }),
        Err(error) => {
            tracing::warn!(%error, "skipped an invalid peer of a list");
            None
        }
    })
}

impl TryFrom<proto::Peer> for Peer {
    type Error = ProtocolError;

    /// Takes the first [`MAX_ENDPOINTS`] valid endpoints. Errors if the certificate is of another key than
    /// the fingerprint, which hubs of version 0.1.0 do not send.
    fn try_from(raw: proto::Peer) -> Result<Self, ProtocolError> {
        let since = present("online_since", raw.online_since)?;
        let certificate = match raw.certificate.as_slice() {
            [] => None,
            der => Some(valid("certificate", Certificate::parse(der))?),
        };
        let own = certificate.as_ref().map(Certificate::fingerprint);
        let key = match raw.fingerprint.as_slice() {
            [] => own,
            bytes => Some(Fingerprint::from_bytes(valid("fingerprint", bytes.try_into())?)),
        };
        if own.is_some() && own != key {
            return Err(ProtocolError("the certificate of a peer is of another key".into()));
        }
        Ok(Self {
            name: valid("peer", Name::parse(&raw.name))?,
            endpoints: listed_endpoints(&raw.endpoints),
            status: valid("status", peer_status("status", raw.status))?.unwrap_or_default(),
            online_since: valid("online_since", timestamp("online_since", since))?,
            key,
            certificate,
            guest: raw.guest,
            status_since: raw
                .status_since
                .map(|at| valid("status_since", timestamp("status_since", at)))
                .transpose()?,
        })
    }
}

/// Applies a change to a listed peer.
pub(crate) fn apply_change(
    peer: &mut Peer,
    change: &proto::PeerChange,
) -> Result<(), ProtocolError> {
    if let Some(status) = valid("status", peer_status("status", change.status))? {
        peer.status = status;
    }
    if let Some(at) = change.status_since {
        peer.status_since = Some(valid("status_since", timestamp("status_since", at))?);
    }
    if let Some(list) = &change.endpoints {
        peer.endpoints = listed_endpoints(&list.endpoints);
    }
    if let Some(at) = change.online_since {
        peer.online_since = valid("online_since", timestamp("online_since", at))?;
    }
    Ok(())
}

fn listed_endpoints(raw: &[proto::Endpoint]) -> Vec<Endpoint> {
    let valid = raw.iter().filter_map(|e| Endpoint::new(&e.host, e.port).ok());
    valid.take(MAX_ENDPOINTS).collect()
}

impl TryFrom<proto::Room> for Room {
    type Error = ProtocolError;

    fn try_from(raw: proto::Room) -> Result<Self, ProtocolError> {
        Ok(Self {
            name: valid("room", RoomName::parse(&raw.name))?,
            members: raw.members,
            head: present("head", raw.head)?.into(),
            first: present("first", raw.first)?.into(),
            last_message_at: raw
                .last_message_at
                .map(|at| valid("time", timestamp("last_message_at", at)))
                .transpose()?,
        })
    }
}

impl TryFrom<proto::Receipt> for Receipt {
    type Error = ProtocolError;

    fn try_from(raw: proto::Receipt) -> Result<Self, ProtocolError> {
        let at = present("accepted_at", raw.accepted_at)?;
        Ok(Self {
            id: valid("message id", MessageId::parse(&raw.id))?,
            receiver: valid("receiver", Name::parse(&raw.receiver))?,
            accepted_at: valid("accepted_at", timestamp("accepted_at", at))?,
            duplicate: raw.duplicate,
        })
    }
}

// ---------------------------------------------------------------------------------------------
// Everything sent.

/// Converts a timestamp.
pub fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// Converts a duration. Ours are far below the limit of the type.
pub(crate) fn to_duration(span: Duration) -> prost_types::Duration {
    span.try_into().unwrap_or_default()
}

impl From<proto::Position> for Position {
    fn from(raw: proto::Position) -> Self {
        Self { epoch: raw.epoch, seq: raw.seq }
    }
}

impl From<Position> for proto::Position {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch, seq: position.seq }
    }
}

impl From<&Endpoint> for proto::Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self { host: endpoint.host().to_owned(), port: endpoint.port().into() }
    }
}

impl From<PeerStatus> for proto::PeerStatus {
    fn from(status: PeerStatus) -> Self {
        match status {
            PeerStatus::Online => Self::Online,
            PeerStatus::Away => Self::Away,
            PeerStatus::Busy => Self::Busy,
            PeerStatus::Invisible => Self::Invisible,
        }
    }
}

impl From<&Peer> for proto::Peer {
    fn from(peer: &Peer) -> Self {
        let certificate = peer.certificate.as_ref().map(|c| c.as_der().to_vec());
        Self { certificate: certificate.unwrap_or_default(), ..without_certificate(peer) }
    }
}

/// Converts a peer, without its certificate.
pub(crate) fn without_certificate(peer: &Peer) -> proto::Peer {
    proto::Peer {
        name: peer.name.to_string(),
        endpoints: peer.endpoints.iter().map(Into::into).collect(),
        status: proto::PeerStatus::from(peer.status).into(),
        online_since: Some(to_timestamp(peer.online_since)),
        certificate: Vec::new(),
        guest: peer.guest,
        status_since: peer.status_since.map(to_timestamp),
        fingerprint: peer.key.map(|key| key.as_bytes().to_vec()).unwrap_or_default(),
    }
}

/// Returns what has changed of a peer; `None` if a change cannot tell it.
pub(crate) fn peer_change(before: &Peer, now: &Peer) -> Option<proto::PeerChange> {
    if (&before.certificate, before.key, before.guest) != (&now.certificate, now.key, now.guest) {
        return None;
    }
    let since = |before: Timestamp, now: Timestamp| (before != now).then(|| to_timestamp(now));
    let status = if before.status == now.status { None } else { Some(now.status) };
    let endpoints = if before.endpoints == now.endpoints { None } else { Some(&now.endpoints) };
    Some(proto::PeerChange {
        name: now.name.to_string(),
        status: status.map(proto::PeerStatus::from).unwrap_or_default().into(),
        status_since: now
            .status_since
            .filter(|_| before.status_since != now.status_since)
            .map(to_timestamp),
        endpoints: endpoints.map(|endpoints| proto::EndpointList {
            endpoints: endpoints.iter().map(Into::into).collect(),
        }),
        online_since: since(before.online_since, now.online_since),
    })
}

impl From<&Message> for proto::Message {
    fn from(message: &Message) -> Self {
        let mut raw = Self::default();
        put_message(&mut raw, message);
        raw
    }
}

/// Writes a message into an existing one, and reuses its buffers.
pub(crate) fn put_message(raw: &mut proto::Message, message: &Message) {
    let put = |field: &mut String, value: &str| {
        field.clear();
        field.push_str(value);
    };
    raw.id.clear();
    message.id.put(&mut raw.id);
    put(&mut raw.room, message.room.as_str());
    raw.position = Some(message.position.into());
    raw.prev_seq = message.prev_seq;
    put(&mut raw.sender, message.sender.as_str());
    raw.created_at = Some(to_timestamp(message.created_at));
    put(&mut raw.text, message.text.as_str());
}

impl From<&SearchHit> for proto::SearchHit {
    fn from(hit: &SearchHit) -> Self {
        // A text has at most 16 KiB.
        let range = |range: &std::ops::Range<usize>| proto::TextRange {
            start: range.start as u32,
            end: range.end as u32,
        };
        Self {
            message: Some((&hit.message).into()),
            ranges: hit.ranges.iter().map(range).collect(),
        }
    }
}

impl From<&Posted> for proto::PostResponse {
    fn from(posted: &Posted) -> Self {
        Self {
            id: posted.id.to_string(),
            room: posted.room.to_string(),
            position: Some(posted.position.into()),
            created_at: Some(to_timestamp(posted.created_at)),
            duplicate: posted.duplicate,
        }
    }
}

impl From<&Draft> for proto::PostRequest {
    fn from(draft: &Draft) -> Self {
        Self {
            room: draft.room.to_string(),
            id: draft.id.to_string(),
            text: draft.text.as_str().to_owned(),
        }
    }
}

impl From<&Room> for proto::Room {
    fn from(room: &Room) -> Self {
        Self {
            name: room.name.to_string(),
            members: room.members,
            head: Some(room.head.into()),
            first: Some(room.first.into()),
            last_message_at: room.last_message_at.map(to_timestamp),
        }
    }
}

impl From<&DirectMessage> for proto::DirectMessage {
    fn from(message: &DirectMessage) -> Self {
        Self {
            id: message.id.to_string(),
            sender: message.sender.to_string(),
            sent_at: message.sent_at.map(to_timestamp),
            text: message.text.as_str().to_owned(),
        }
    }
}

impl From<&Receipt> for proto::Receipt {
    fn from(receipt: &Receipt) -> Self {
        Self {
            id: receipt.id.to_string(),
            receiver: receipt.receiver.to_string(),
            accepted_at: Some(to_timestamp(receipt.accepted_at)),
            duplicate: receipt.duplicate,
        }
    }
}

/// Converts a join.
pub(crate) fn to_join(room: &RoomName, start: Start) -> proto::Join {
    use proto::join::Start as Raw;
    proto::Join {
        room: room.to_string(),
        start: match start {
            Start::Head => None,
            Start::After(position) => Some(Raw::After(position.into())),
            Start::Last(count) => Some(Raw::Last(count)),
            Start::Since(at) => Some(Raw::Since(to_timestamp(at))),
        },
    }
}
