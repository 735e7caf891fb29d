//! What is wrong with an eviction map.

use std::fmt;

use crate::{DurationError, Quantity, QuantityError, Signal, go::quote};

/// One of the four maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapField {
    /// `evictionHard`
    Hard,
    /// `evictionSoft`
    Soft,
    /// `evictionSoftGracePeriod`
    SoftGracePeriod,
    /// `evictionMinimumReclaim`
    MinimumReclaim,
}

impl MapField {
    /// Every map, in the order in which the kubelet reads them (T-11).
    pub const ALL: [Self; 4] =
        [Self::Hard, Self::Soft, Self::SoftGracePeriod, Self::MinimumReclaim];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hard => "evictionHard",
            Self::Soft => "evictionSoft",
            Self::SoftGracePeriod => "evictionSoftGracePeriod",
            Self::MinimumReclaim => "evictionMinimumReclaim",
        }
    }
}

impl fmt::Display for MapField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An entry of the maps that cannot be used. Prints the kubelet's text alone, so that the caller can
/// put file, line and field before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PolicyError {
    /// The map.
    pub field: MapField,
    /// The key in that map.
    pub signal: String,
    /// What is wrong.
    pub kind: PolicyErrorKind,
}

/// What is wrong with an entry; the texts are the kubelet's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the error text of each variant says it")]
pub enum PolicyErrorKind {
    /// T-1
    #[error("unsupported eviction signal {signal}")]
    UnsupportedSignal { signal: String },
    /// T-2
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// T-5
    #[error("strconv.ParseFloat: parsing {}: invalid syntax", quote(text))]
    Float { text: String },
    /// T-5
    #[error("strconv.ParseFloat: parsing {}: value out of range", quote(text))]
    FloatRange { text: String },
    /// T-4
    #[error("eviction percentage threshold {signal} must be >= 0%: {value}")]
    PercentageBelowZero { signal: Signal, value: String },
    /// T-4
    #[error("eviction percentage threshold {signal} must be <= 100%: {value}")]
    PercentageAboveOne { signal: Signal, value: String },
    /// T-6
    #[error("eviction threshold {signal} must be positive: {quantity}")]
    NotPositive { signal: Signal, quantity: Quantity },
    /// T-8
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// T-8
    #[error("invalid eviction grace period specified: {value}, must be a positive value")]
    NegativeGrace { value: String },
    /// T-9
    #[error("grace period must be specified for the soft eviction threshold {signal}")]
    MissingGrace { signal: Signal },
    /// T-10
    #[error("eviction percentage minimum reclaim {signal} must be positive: {value}")]
    ReclaimPercentageNotPositive { signal: Signal, value: String },
    /// T-10
    #[error("negative eviction minimum reclaim specified for {signal}")]
    NegativeReclaim { signal: Signal },
    /// E-10, E-11: taken by the kubelet, refused in strict semantics.
    #[error("{value} for {signal} does not mean what it seems to: {hint}")]
    Misleading { signal: Signal, value: String, hint: &'static str },
}
