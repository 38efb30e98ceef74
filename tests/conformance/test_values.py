"""Values between steps, in a script and on the runner."""

from __future__ import annotations

FILE = "values"


class TestValues:
    def test_values_come_back_equal_and_of_the_same_type(self, ran):
        run = ran(FILE)
        wrong = {name: run.failure(name) for name, status in run.statuses.items() if status != "completed"}
        assert wrong == {}

    def test_changing_a_loaded_value_does_not_change_the_next_load(self, ran):
        assert ran(FILE).statuses["length"] == "completed"


class TestMaterializers:
    def test_all_forms_of_the_option_store_and_load(self, ran):
        run = ran(FILE, 1)
        wrong = {name: run.failure(name) for name, status in run.statuses.items() if status != "completed"}
        assert wrong == {}

    def test_a_class_that_was_defined_stores_values_of_its_type(self, ran):
        run = ran(FILE, 1)
        assert "celsius.txt" in run.files("warm")
        assert run.output("warm")["metadata"]["degrees"] == 21.5

    def test_class_name_list_and_dict_choose_the_materializer(self, ran):
        run = ran(FILE, 1)
        for step in ("by_class", "by_name", "by_list"):
            assert "own.txt" in run.files(step), step
        outputs = {name: one for (kind, name), one in run.artifacts("by_output").items() if kind == "output"}
        assert "own.txt" in run.files("by_output")
        assert outputs["output_0"]["sha256"] != outputs["output_1"]["sha256"]

    def test_pictures_are_made_unless_switched_off(self, ran):
        run = ran(FILE, 1)
        assert "shown.html" in run.files("warm")
        assert "shown.html" not in run.files("unseen")
