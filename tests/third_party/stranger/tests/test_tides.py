def test_all_that_tides_registers_keeps_its_word(check_plugin):
    found = check_plugin("tides", {"tides": {"options": {"harbours": 3}}})
    assert found == ["domain tides", "strategy heavy_ball", "learner averaging"]
