//! Instants as AWS's headers and log streams spell them: always UTC.

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second since 1970, in calendar terms.
struct Calendar {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    weekday: &'static str,
}

/// `20150830T123600Z`, as in `x-amz-date`.
pub fn amz_date(at_seconds: u64) -> String {
    let Calendar { year, month, day, hour, minute, second, .. } = Calendar::at(at_seconds);
    let mut text = String::with_capacity(16);
    for (number, mark) in
        [(year / 100, None), (year % 100, None), (month, None), (day, Some('T')), (hour, None), (minute, None), (second, Some('Z'))]
    {
        text.extend([number / 10 % 10, number % 10].map(|digit| char::from(b'0' + digit as u8)));
        text.extend(mark);
    }
    text
}

/// `Sun, 30 Aug 2015 12:36:00 GMT`, as in `Date`.
pub fn http_date(at_seconds: u64) -> String {
    let Calendar { year, month, day, hour, minute, second, weekday } = Calendar::at(at_seconds);
    let month = MONTHS[month as usize - 1];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `2015/08/30`, as begin the names of log streams.
pub fn slashed_day(at_seconds: u64) -> String {
    let Calendar { year, month, day, .. } = Calendar::at(at_seconds);
    format!("{year:04}/{month:02}/{day:02}")
}

impl Calendar {
    fn at(at_seconds: u64) -> Self {
        let (days, second) = (at_seconds / 86_400, at_seconds % 86_400);
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month,
            day,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: WEEKDAYS[(days % 7) as usize],
        }
    }
}

/// Year, month and day of a day since 1970, by eras of 400 years that begin in March.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
