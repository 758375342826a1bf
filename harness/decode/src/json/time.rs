//! Times in RFC 3339, which proto3 JSON uses for timestamps.

/// Seconds since the epoch and nanoseconds of `2026-11-22T10:20:30.123456789Z`, or with an offset such as `+01:00`.
pub(crate) fn read(text: &str) -> Option<(i64, i64)> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if bytes.len() < 20 || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    if separators.iter().any(|&(at, byte)| bytes[at] != byte) {
        return None;
    }
    let number = |from, to| digits(bytes.get(from..to)?);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match bytes[19..].strip_prefix(b".") {
        Some(rest) => rest.split_at(rest.iter().take_while(|b| b.is_ascii_digit()).count()),
        None => (&[][..], &bytes[19..]),
    };
    let mut nanos = 0;
    for at in 0..9 {
        nanos = nanos * 10 + fraction.get(at).map_or(0, |digit| i64::from(digit - b'0'));
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds - offset(zone)?, nanos))
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = digits(&[*h1, *h2])? * 3_600 + digits(&[*m1, *m2])? * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    let digit = |b: &u8| b.is_ascii_digit().then(|| i64::from(b - b'0'));
    bytes.iter().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
}

/// Days since the epoch of a date in the Gregorian calendar: whole years, then the days of the months gone by.
fn days(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let gone = year - 1;
    let years = gone * 365 + gone / 4 - gone / 100 + gone / 400;
    // 719,162 days passed from the first day of year 1 to the epoch.
    years + BEFORE[month as usize - 1] + i64::from(leap && month > 2) + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, expected: Option<(i64, i64)>) {
        assert_eq!(super::read(text), expected, "{text}");
    }

    #[test]
    fn times_are_read_as_rfc_3339_has_them() {
        check("1970-01-01T00:00:00Z", Some((0, 0)));
        check("2026-11-22T10:20:30Z", Some((1_795_342_830, 0)));
        check("2026-11-22T10:20:30.5Z", Some((1_795_342_830, 500_000_000)));
        check("2026-11-22T10:20:30.123456789Z", Some((1_795_342_830, 123_456_789)));
        check("2026-11-22T11:20:30+01:00", Some((1_795_342_830, 0)));
        check("2024-02-29T23:59:59Z", Some((1_709_251_199, 0)));
        check("2000-03-01T00:00:00Z", Some((951_868_800, 0)));
        check("1969-12-31T23:59:59Z", Some((-1, 0)));
        check("2026-11-22", None);
        check("2026-11-22T10:20:30", None);
        check("2026-13-22T10:20:30Z", None);
        check("2026-11-22T10:20:30.Zé", None);
        check("", None);
    }
}
