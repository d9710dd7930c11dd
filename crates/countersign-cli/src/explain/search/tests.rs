#[test]
fn timing() {
    for f in ["a", "b", "c", "d", "e", "f", "g", "i"] {
        let body = std::fs::read(format!("/tmp/xd1/{f}")).unwrap();
        for (n, list) in
            [("undo", super::bodies::UNDO), ("respell", super::bodies::RESPELL), ("guess", super::bodies::GUESS)]
        {
            for (at, t) in list.iter().enumerate() {
                let start = std::time::Instant::now();
                let (mut count, mut bytes) = (0, 0);
                let mut v = t(&body);
                let made = start.elapsed();
                while let Some(x) = v.next() {
                    count += 1;
                    bytes += x.body.len();
                    if count >= 20 {
                        break;
                    }
                }
                let all = start.elapsed();
                if all.as_millis() > 3 {
                    println!("{f} {n} {at} made {made:?} all {all:?} count {count} MB {}", bytes >> 20);
                }
            }
        }
    }
}
