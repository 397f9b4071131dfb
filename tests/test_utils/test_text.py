from mmuda.utils.text import join_some


def test_few_names_are_all_listed():
    assert join_some(['a', 'b', 'c']) == 'a, b, c'


def test_many_names_are_counted():
    assert join_some(['a', 'b', 'c', 'd', 'e']) == 'a, b, c and 2 more'
