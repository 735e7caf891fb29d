//! Kubernetes quantities.

use evictd_core::Quantity;

use crate::text;

/// Reads each line as a quantity. What is read prints as a text that reads as the same amount and
/// prints as the same text; order and sign are those of the amounts.
pub fn quantity(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    let mut before: Option<Quantity> = None;
    for line in text.lines() {
        match Quantity::parse(line) {
            Ok(quantity) => {
                prints_as_itself(line, quantity);
                if let Some(before) = before.replace(quantity) {
                    is_ordered(before, quantity);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty(), "{line:?}: an error says nothing"),
        }
    }
}

fn prints_as_itself(written: &str, quantity: Quantity) {
    let printed = quantity.to_string();
    match Quantity::parse(&printed) {
        Ok(again) => {
            assert_eq!(again, quantity, "{written:?} is printed as {printed:?}");
            assert_eq!(again.to_string(), printed, "{written:?} is printed in two ways");
        }
        Err(error) => panic!("{written:?} is printed as {printed:?}, but that is none: {error}"),
    }
}

fn is_ordered(a: Quantity, b: Quantity) {
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse(), "{a} and {b}");
    assert_eq!(a.cmp(&b), a.nanos().cmp(&b.nanos()), "{a} and {b}");
    assert_eq!(a == b, a.cmp(&b).is_eq(), "{a} and {b}");
    for q in [a, b] {
        assert_eq!(q.signum(), i128::from(q.value().signum()), "the sign of {q}");
        assert_eq!(q.is_zero(), q.value() == 0, "{q} rounds away from zero");
    }
    if a <= b {
        assert!(a.value() <= b.value(), "whole units of {a} and {b}");
    }
}
