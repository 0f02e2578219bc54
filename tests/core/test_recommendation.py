import samples

from twt_core.recommendation import recommend


def test_the_tersest_that_is_not_significantly_worse_is_recommended():
    stages = {
        "untouched": samples.predictions("-" * 20, 30),
        "full": samples.predictions("+" * 20, 50),
        "compressed": samples.predictions("+" * 18 + "--", 20),
        "answer_only": samples.predictions("+" * 10 + "-" * 10, 5),
    }
    found = recommend(stages, "dev_queries")
    assert found.stage == "compressed"
    assert "20.0 output tokens" in found.why
    assert "90.0%" in found.why
    assert "not significantly below that of the best, full (100.0% at 50.0" in found.why
    assert "20 questions of dev_queries" in found.why
    assert "paired exact McNemar test, p = 0.50" in found.why


def test_the_best_is_recommended_when_nothing_terser_is_as_good():
    stages = {"untouched": samples.predictions("-" * 20, 5), "full": samples.predictions("+" * 20, 50)}
    found = recommend(stages, "test_queries")
    assert found.stage == "full"
    assert "no terser one is as good" in found.why


def test_of_equals_the_tersest_then_the_better():
    stages = {
        "full": samples.predictions("+++-", 50),
        "long": samples.predictions("+++-", 60),
        "short": samples.predictions("++--", 5),
        "answer_only": samples.predictions("+++-", 5),
    }
    assert recommend(stages, "x").stage == "answer_only"


def test_a_student_that_knows_nothing_still_gets_a_row():
    stages = {"untouched": samples.predictions("----", 9), "full": samples.predictions("----", 4)}
    found = recommend(stages, "x")
    assert found.stage == "full"
    assert found.why.startswith("No stage has a right answer on the 4 questions of x: full is the tersest (4.0")


def test_what_could_not_be_graded_of_one_stage_counts_for_none():
    stages = {
        "full": samples.predictions("+" * 20 + "????", 50),
        "answer_only": samples.predictions("?" + "+" * 19 + "----", 5),
    }
    assert recommend(stages, "x").stage == "answer_only"


def test_stages_of_which_nothing_is_graded_are_not_recommended():
    stages = {
        "untouched": samples.predictions("??", 9),
        "full": samples.predictions("-+", 50),
        "answer_only": samples.predictions("??", 5),
    }
    assert recommend(stages, "x").stage == "full"


def test_where_nothing_is_graded_training_is_not_recommended():
    stages = {"untouched": samples.predictions("??", 9), "full": samples.predictions("??", 5)}
    found = recommend(stages, "test_queries")
    assert found.stage == "untouched"
    assert "No answer to test_queries could be graded" in found.why


def test_several_answers_a_question_are_compared_by_question():
    def sampled(verdicts, tokens):
        rows = samples.predictions(verdicts, tokens)
        return [row.model_copy(update={"query_id": str(n // 4), "sample": n % 4}) for n, row in enumerate(rows)]

    good, poor = sampled("+++-" * 20, 50), sampled("+---" * 20, 5)
    assert recommend({"full": good, "answer_only": poor}, "x").stage == "full"
    alike = sampled("++-+" * 19 + "++--", 5)
    found = recommend({"full": good, "answer_only": alike}, "x")
    assert found.stage == "answer_only"
    assert "paired permutation test, p = 1.00" in found.why
