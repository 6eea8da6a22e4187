"""Routes: the templates of Azure's HTTP triggers."""

import pytest

from durablenb.azure.routes import parse_route


@pytest.mark.parametrize(
    ("template", "path", "found"),
    [
        ("api/orders", "/api/orders", {}),
        ("api/orders", "/API/Orders", {}),
        ("api/orders", "/api/orders/1", None),
        ("api/orders/{id}", "/api/orders/Ä 1", {"id": "Ä 1"}),
        ("api/orders/{id}", "/api/orders", None),
        ("api/orders/{id}", "/api/orders/", None),
        ("api/orders/{id?}", "/api/orders", {}),
        ("api/orders/{id?}", "/api/orders/1", {"id": "1"}),
        ("api/orders/{id=all}", "/api/orders", {"id": "all"}),
        ("api/{*rest}", "/api/a/b c", {"rest": "a/b c"}),
        ("api/{*rest}", "/api", {}),
        ("api/{**rest}", "/api/a/b", {"rest": "a/b"}),
        ("{*rest}", "/", {}),
        ("", "/", {}),
        ("", "/a", None),
        ("api/{name}.{ext}", "/api/a.b.txt", {"name": "a", "ext": "b.txt"}),
        ("api/v{version:int}", "/api/v12", {"version": "12"}),
        ("api/{{a}}", "/api/{a}", {}),
        ("api/a.b", "/api/aXb", None),
        ("api/{id:int}", "/api/-5", {"id": "-5"}),
        ("api/{id:int}", "/api/five", None),
        ("api/{id:int:min(3)}", "/api/2", None),
        ("api/{id:int:max(3)}", "/api/3", {"id": "3"}),
        ("api/{id:range(1,3)}", "/api/4", None),
        ("api/{id:range(1,3)}", "/api/x", None),
        ("api/{id:alpha}", "/api/a1", None),
        ("api/{id:bool}", "/api/True", {"id": "True"}),
        ("api/{id:guid}", "/api/1", None),
        (
            "api/{id:guid}",
            "/api/7e1ba7a8-0000-4000-8000-7e1ba7a80000",
            {"id": "7e1ba7a8-0000-4000-8000-7e1ba7a80000"},
        ),
        ("api/{id:double}", "/api/1.5e3", {"id": "1.5e3"}),
        ("api/{id:length(2)}", "/api/abc", None),
        ("api/{id:length(2,3)}", "/api/abc", {"id": "abc"}),
        ("api/{id:minlength(2)}", "/api/a", None),
        ("api/{id:maxlength(2)}", "/api/abc", None),
        ("api/{id:int?}", "/api", {}),
    ],
)
def test_a_path_gives_the_parameters_of_a_template_that_it_fits(template, path, found):
    assert parse_route(template).match(path) == found


def test_fixed_words_come_before_parameters_and_those_before_all_that_is_left():
    templates = ["api/{*all}", "api/{one}", "api/{one:int}", "api/{one}.{two}", "api/one"]
    assert sorted(templates, key=lambda one: parse_route(one).rank) == templates[::-1]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("a/{b", "can't be understood"),
        ("a}", "can't be understood"),
        ("x{*rest}", "must be between slashes"),
        ("{a:length(x)}", r"constraint 'length\(x\)'"),
        ("{}", "can't be understood"),
        ("{a}/{a}", "a parameter twice"),
        ("{a:even}", r"constraint 'even'; known are alpha, bool"),
        ("{a:length}", "constraint 'length'"),
        ("{a:int(3)}", r"constraint 'int\(3\)'"),
        ("a{b?}", "must be between slashes"),
    ],
)
def test_what_is_no_template_is_refused(template, said):
    with pytest.raises(ValueError, match=said):
        parse_route(template)
