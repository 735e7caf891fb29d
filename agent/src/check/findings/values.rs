//! Values that do not mean what they seem to.

use evictd_core::{MapField, ThresholdValue};

use super::{Found, Rule, Subject, note, warning};
use crate::check::{
    amount::Amount,
    in_force::{InForce, Origin},
    places::At,
};

pub(super) const RULES: &[Rule] = &[
    Rule { code: "percentage-always-met", because: &["E-10", "T-3"], find: always_met },
    Rule { code: "percentage-never-met", because: &["E-10", "T-3"], find: never_met },
    Rule { code: "percentage-not-a-number", because: &["E-11", "T-5"], find: not_a_number },
    Rule { code: "percent-sign-twice", because: &["E-11", "T-5"], find: percent_sign_twice },
    Rule { code: "percentage-rounded", because: &["E-12", "T-7"], find: rounded },
];

/// A share that is off by less than this is not worth a word: a block, a page.
const NOTABLE: u64 = 4096;

fn always_met(s: &Subject<'_>) -> Vec<Found> {
    let found = |row: &InForce| {
        warning(
            row.at(),
            format!(
                "{} does not switch {} off: it is met as soon as anything is used, and pods are \
                 evicted for ever",
                row.written,
                row.signal()
            ),
            "100% or 0%, written exactly so, to switch it off",
        )
    };
    originals(s).filter(|row| share(row) == Some(1.0)).map(found).collect()
}

fn never_met(s: &Subject<'_>) -> Vec<Found> {
    let found = |row: &InForce| {
        warning(
            row.at(),
            format!(
                "{} does not switch {} off: it stays in force, and nothing ever meets it",
                row.written,
                row.signal()
            ),
            "0%, written exactly so, to switch it off, or a share above it",
        )
    };
    originals(s).filter(|row| share(row) == Some(0.0)).map(found).collect()
}

fn not_a_number(s: &Subject<'_>) -> Vec<Found> {
    let found = |row: &InForce| {
        warning(
            row.at(),
            format!("{} is taken, but the amount it stands for is undefined", row.written),
            "a number and one %",
        )
    };
    originals(s).filter(|row| share(row).is_some_and(f32::is_nan)).map(found).collect()
}

fn percent_sign_twice(s: &Subject<'_>) -> Vec<Found> {
    let written = originals(s).flat_map(|row| {
        let reclaim = row.written_reclaim.clone();
        let reclaim_at = At::Entry(MapField::MinimumReclaim, row.signal());
        [Some((row.at(), row.written.clone())), reclaim.map(|text| (reclaim_at, text))]
    });
    let twice = written.flatten().filter(|(_, text)| text.ends_with("%%"));
    let found = |(at, text): (At, String)| {
        let meant = format!("{}%", text.trim_end_matches('%'));
        warning(at, format!("{text} is read as {meant}: every % at the end is cut off"), meant)
    };
    twice.map(found).collect()
}

fn rounded(s: &Subject<'_>) -> Vec<Found> {
    let found = |row: &InForce| {
        let quantity = row.quantity()?;
        let exact = exact(row)?;
        let off = quantity.abs_diff(exact);
        (off >= NOTABLE).then(|| {
            let signal = row.signal();
            let [quantity, off] =
                [quantity, i64::try_from(off).unwrap_or(i64::MAX)].map(|n| Amount(signal, n).exact());
            note(
                row.at(),
                format!(
                    "{} of {signal} is {quantity} here, {off} away from the exact share: shares are \
                     kept in single precision",
                    row.written
                ),
                format!("{quantity}, if the last digits matter"),
            )
        })
    };
    originals(s).filter_map(found).collect()
}

/// The share as exact as double precision gets it.
fn exact(row: &InForce) -> Option<i64> {
    let hundredths: f64 = row.written.trim_end_matches('%').parse().ok()?;
    share(row).filter(|share| share.is_finite())?;
    Some((row.seen?.capacity as f64 * hundredths / 100.0) as i64)
}

/// Thresholds that are no copies.
fn originals<'a>(s: &Subject<'a>) -> impl Iterator<Item = &'a InForce> {
    s.rows.iter().filter(|row| !matches!(row.origin, Origin::Copied(_)))
}

fn share(row: &InForce) -> Option<f32> {
    match row.threshold.value {
        ThresholdValue::Percentage(share) => Some(share),
        ThresholdValue::Quantity(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use evictd_core::Signal;

    use super::super::{
        Severity::{Note, Warning},
        tests::assert_found,
    };
    use crate::check::sample::Case;

    fn nodefs(value: &str) -> Case {
        Case::kubelet(&format!("evictionHard: {{nodefs.available: \"{value}\"}}\n"))
    }

    #[test]
    fn shares_that_do_not_mean_what_they_seem_to() {
        let (always, never) = ("percentage-always-met", "percentage-never-met");
        let (number, twice) = ("percentage-not-a-number", "percent-sign-twice");
        for (value, code, expected) in [
            ("100.0%", always, Some("100.0% does not switch nodefs.available off: it is met as")),
            ("100%", always, None),
            ("99.9%", always, None),
            ("0.0%", never, Some("0.0% does not switch nodefs.available off: it stays")),
            ("00%", never, Some("00% does not")),
            ("0%", never, None),
            ("1%", never, None),
            ("NaN%", number, Some("NaN% is taken, but the amount")),
            ("10%", number, None),
            ("10%%", twice, Some("10%% is read as 10%")),
            ("10%", twice, None),
            ("10Gi", twice, None),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|text| (Warning, text)).collect();
            assert_found(value, &nodefs(value), code, &expected);
        }
    }

    #[test]
    fn a_minimum_reclaim_may_have_the_sign_twice_too() {
        let case = Case::kubelet(
            "evictionMinimumReclaim: {nodefs.available: 5%%, nodefs.inodesFree: 5%}\n",
        );
        let text = "5%% is read as 5%";
        assert_found("reclaim", &case, "percent-sign-twice", &[(Warning, text)]);
    }

    #[test]
    fn rounding_is_told_where_it_shows() {
        let code = "percentage-rounded";
        assert_found("100 GiB, 160 bytes off", &nodefs("10%"), code, &[]);
        let large = nodefs("15%").with(Signal::NodefsAvailable, 50 << 40, 100 << 40);
        let text = "15% of nodefs.available is 16492675072000 bytes here, 655360 bytes away";
        assert_found("100 TiB", &large, code, &[(Note, text)]);
        let quantity = nodefs("15Ti").with(Signal::NodefsAvailable, 50 << 40, 100 << 40);
        assert_found("a quantity", &quantity, code, &[]);
    }
}
