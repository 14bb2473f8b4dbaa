use super::*;

#[test]
fn instants_are_spelled_in_utc() {
    let cases = [
        (0, "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_399, "20000228T235959Z", "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "20000229T000000Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_440_938_160, "20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT"),
        (4_107_542_400, "21000301T000000Z", "Mon, 01 Mar 2100 00:00:00 GMT"),
    ];
    for (at_seconds, amz, http) in cases {
        assert_eq!(amz_date(at_seconds), amz);
        assert_eq!(http_date(at_seconds), http);
    }
    assert_eq!(slashed_day(1_440_938_160), "2015/08/30");
}
