from collections import Counter

import samples

from twt_plugins.diversity_selectors.random_pair import RandomPair

POOL = samples.pool({"q1": "abc", "q2": "ab", "q3": "c", "q4": "abcd"})


def chosen(selector, pool=POOL):
    found: dict[str, str] = {}
    for annotation in selector.select(pool, samples.context()):
        found[annotation.query_id] = found.get(annotation.query_id, "") + annotation.teacher
    return found


def test_a_pair_where_three_teachers_remain_else_all():
    found = chosen(RandomPair())
    assert {query: len(teachers) for query, teachers in found.items()} == {"q1": 2, "q2": 2, "q3": 1, "q4": 2}
    assert (found["q2"], found["q3"]) == ("ab", "c")
    assert list(found["q1"]) == sorted(found["q1"])  # in teacher order


def test_three_samples_of_two_teachers_are_not_three_teachers():
    rows = [samples.annotation(teacher=t, sample=n) for n, t in enumerate("aab")]
    assert RandomPair().select(rows, samples.context()) == rows


def test_never_two_samples_of_one_teacher():
    rows = [samples.annotation(f"q{q}", t, sample=n) for q in range(100) for n, t in enumerate("aaabc")]
    counts = Counter(chosen(RandomPair(), rows).values())
    assert set(counts) == {"ab", "ac", "bc"}
    assert min(counts["ab"], counts["ac"]) > counts["bc"]  # three pairs of samples each, against one


def test_the_draw_repeats_and_depends_on_the_seed():
    pool = samples.pool({f"q{n}": "abc" for n in range(40)})
    assert chosen(RandomPair(seed=1), pool) == chosen(RandomPair(seed=1), pool)
    assert chosen(RandomPair(seed=1), pool) != chosen(RandomPair(seed=2), pool)


def test_other_queries_change_no_draw():
    assert chosen(RandomPair(), POOL[:3]) == {"q1": chosen(RandomPair())["q1"]}


def test_the_draw_is_uniform():
    pool = samples.pool({f"q{n}": "abc" for n in range(600)})
    counts = Counter(chosen(RandomPair(), pool).values())
    assert set(counts) == {"ab", "ac", "bc"}
    assert min(counts.values()) > 160  # 200 expected; 160 is 3.5 standard deviations off
