"""Structure: the flat program becomes a tree of Cells, with a class for each block that the source repeats.

It works on statements, names and scopes, and does not depend on what an operator computes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from converter.base.bounded import bounded
from converter.base.names import Namespace
from converter.script.dead_code import eliminate_dead_code, read_extents_of_inputs
from converter.script.expressions import Call, walk
from converter.script.mindspore_api import CELL_ATTRIBUTES
from converter.script.program import Argument, Cell, Member, Program
from converter.script.statements import Assign, Block, Variable, defined_by, map_statement
from converter.script.structure import hoist, repeats, reroll, sharing
from converter.script.structure.caches import bundle_caches, results_with
from converter.script.structure.calls import split_calls
from converter.script.structure.class_names import ClassNames
from converter.script.structure.classes import build
from converter.script.structure.comprehensions import comprehend
from converter.script.structure.constant_inputs import constants_beside_inputs, pass_from
from converter.script.structure.dimensions import localize_dimensions, localize_formulas, release_inputs
from converter.script.structure.docstrings import docstring_of
from converter.script.structure.equal_inputs import has_equal_inputs, with_equal_inputs
from converter.script.structure.groups import Group, Instance, arguments_of, grouped, instance_of, outliers
from converter.script.structure.inline import inline_single_uses
from converter.script.structure.joined_cells import find_joined_cells
from converter.script.structure.lambdas import make_before_loops
from converter.script.structure.locations import NodeLocations
from converter.script.structure.naming import hint_within, name_members, name_values, relative
from converter.script.structure.numbered_lists import NumberedList, find_lists, paths_in, renamed, use_lists
from converter.script.structure.optional_inputs import with_optional_inputs
from converter.script.structure.purpose import Purpose, purpose_of, purposes_of_given
from converter.script.structure.regions import (
    CONTAINERS,
    Item,
    Region,
    by_scope,
    inputs_of,
    members_of,
    replace_in,
    statements_of,
    substituted,
    used_by,
)
from converter.script.structure.sequences import as_chain, collapse_runs, sequence_of
from converter.script.structure.tables import merge_equal_tables
from converter.script.structure.value_names import name_remaining_values, name_values_by_role
from converter.script.structure.variable_reuse import reuse_variables
from converter.script.structure.worth import FEW, MOST_ARGUMENTS, is_small

__all__ = ["structure"]

MANY = 64
"""Outliers (see `groups.outliers`) are searched for among at most so many instances."""
MOST_AROUND = 2
"""A container is dissolved into its parent region if the parent has at most so many other items."""

UNWRAPPED = 4
"""A scope that is the only one among at most so many items is taken for the network itself."""


def structure(program: Program) -> Program:
    """Return the program with its repeated blocks as classes, and without what only the shape is read of."""
    read_extents_of_inputs(program.top)
    eliminate_dead_code(program)
    structured = _Structure(program).run()
    for cell in structured.cells:
        make_before_loops(cell.body)
    return structured


class _Structure:
    """The state of one run: the tree of regions, the Cells made so far, and the locations of merged statements."""

    def __init__(self, program: Program) -> None:
        body = program.top.body
        self._program = program
        self._locations = NodeLocations()
        self._results = body.results
        self._root = by_scope(body.statements)
        self._cells = program.cells[:-1]
        self._names = ClassNames(cell.name for cell in self._cells)
        self._uses: Counter[Variable | Member] = Counter()
        self._instead: dict[Region, list[Any]] = {}  # region → the items that replace it
        self._sequences: dict[tuple[Member, ...], Member] = {}
        self._lists: dict[Cell, list[NumberedList]] = {}
        self._purposes: dict[Cell | Argument, Purpose] = {cell: purpose_of(cell, (), {}) for cell in self._cells}

    def run(self) -> Program:
        split_calls(self._root)
        localize_formulas(statements_of(self._root))
        hoist.read_parts_again(self._root, {part for part in self._results if isinstance(part, Variable)})
        instead, moved = merge_equal_tables(self._root, self._program.top.inputs)
        self._results = substituted(self._results, instead)
        self._locations.moved |= moved
        hoist.hoist_shared_values(self._root, self._program.top.inputs)
        hoist.sink_unpacking(self._root, {part for part in self._results if isinstance(part, Variable)})
        sharing.copy_shared_literals(self._root)
        self._drop_prefix(self._unwrap())
        self._fold()
        self._count_uses()
        self._reroll(self._root, {part for part in self._results if isinstance(part, Variable)})
        self._find(repeats.find_chains)
        self._find(lambda region, _: find_joined_cells(region, self._results))
        for _ in bounded(len(self._root.items) + 1, "find repeated segments"):
            if not self._find(repeats.find_segments):
                break
        return self._finish()

    def _find(self, find: Callable[[Region, repeats.Outputs], bool]) -> bool:
        """Turn blocks without recorded scopes into classes. Returns whether the network has become shorter."""
        self._count_uses()
        before = len(self._root.items)
        if find(self._root, self._outputs):
            sharing.copy_shared_literals(self._root)
            self._fold()
        return len(self._root.items) < before

    def _unwrap(self) -> str:
        """Dissolve outermost scopes that contain nearly all items, the network itself; return their path."""
        path = ""
        while len(self._root.inner()) == 1 and len(self._root.items) <= UNWRAPPED:
            (inner,) = self._root.inner()
            path = inner.path
            _replace(self._root, {inner: inner.items})
        return path

    def _drop_prefix(self, prefix: str) -> None:
        """Remove the network's own scope from every name."""
        for member in members_of(self._root):
            member.hint = relative(member.hint, prefix)
        for statement in self._program.top.body.walk():
            for value in defined_by(statement):
                value.path = relative(value.path, prefix)
        for _, region in _edges(self._root):
            region.path = relative(region.path, prefix)

    def _fold(self) -> None:
        """Turn every region below the root into calls of classes, innermost first."""
        regions = len(_edges(self._root))
        for _ in bounded(
            2 * regions + 1, "turn regions into classes"
        ):  # an iteration may pass parameters in, the next one makes classes
            if not self._root.inner():
                break
            parents = {region: parent for parent, region in _edges(self._root)}
            leaves = [region for region in parents if not region.inner()]
            for leaf in leaves:
                localize_dimensions(leaf)
            self._count_uses()  # after that: a tensor that was read for its shape only may be read no more
            ready, conflicting = sharing.split(self._root, _with_siblings(leaves, parents))
            ready = _without_kinds_to_come(ready, conflicting)
            self._separate(conflicting, parents)
            simplified = [self._simplify(leaf, parents[leaf]) for leaf in ready]
            self._replace_all(parents)
            if ready and not any(simplified):
                self._make_classes(ready, parents)

    def _separate(self, conflicting: dict[Region, list[Member]], parents: dict[Region, Region]) -> None:
        """Separate regions that share members but are not calls of one module.

        Shared parameters become inputs. Calls of shared layers move before the region; where they stand in its middle,
        or several regions have one form, the layers become inputs; else the region is dissolved. Constants that one
        call of a module reads where the others read a variable become inputs, too.
        """
        shared = dict.fromkeys(member for members in conflicting.values() for member in members)
        own = sharing.constants_of_some_calls(conflicting)
        passed = [member for member in shared if "" in member.weights]
        sharing.pass_in(self._root, [*passed, *(member for members in own.values() for member in members)])
        lifted: dict[Region, list[Item]] = {}
        handed: dict[Member, None] = {}
        forms = sharing.forms_of(conflicting)
        alike = Counter(forms.values())
        for leaf, members in conflicting.items():
            if leaf in own:  # the next iteration sees that all calls are alike
                continue
            layers = {member: None for member in members if member not in passed}
            if members and not layers:
                continue
            takes = sharing.takes_layers(leaf, layers)
            if takes and leaf.scope.kind and alike[forms[leaf]] > 1:
                handed |= layers
            elif layers and (calls := hoist.take_calls(leaf, layers.keys())):
                lifted[leaf] = [*calls, leaf]
            elif takes:
                handed |= layers
            else:
                self._dissolve(leaf)
        sharing.pass_in(self._root, list(handed))
        _replace_all(parents, lifted)

    def _reroll(self, region: Region, results: set[Variable]) -> None:
        """Turn unrolled iterations in a region that has no inner regions into loops."""
        statements = region.statements
        before = Counter(part for statement in statements for part in used_by(statement))
        done = reroll.reroll_loops(statements, results, self._uses)
        if not done.moved:
            return
        self._locations.moved |= done.moved
        region.items = list(statements)
        self._uses.subtract(before)
        self._uses.update(part for statement in statements for part in used_by(statement))
        if done.elements:
            for statement in statements_of(self._root):
                map_statement(statement, done.read_in)
            self._results = done.joined(tuple(map(done.read_in, self._results)))
            self._count_uses()

    def _replace_all(self, parents: dict[Region, Region]) -> None:
        """Replace the regions in `_instead`."""
        _replace_all(parents, self._instead)
        self._instead = {}

    def _count_uses(self) -> None:
        self._uses = Counter(part for statement in statements_of(self._root) for part in used_by(statement))
        results = (part for result in self._results for part in walk(result))
        self._uses.update(part for part in results if isinstance(part, Variable))

    def _outputs(self, region: Region) -> list[Variable]:
        """The variables that a region defines and statements outside it read."""
        inside = Counter(part for s in statements_of(region) for part in used_by(s) if isinstance(part, Variable))
        made = [value for statement in statements_of(region) for value in defined_by(statement)]
        return [value for value in dict.fromkeys(made) if self._uses[value] > inside[value]]

    def _simplify(self, leaf: Region, parent: Region) -> bool:
        """Dissolve a region without members or of one item, or turn a chain into a SequentialCell; False if neither."""
        if len(leaf.items) < 2 or not members_of(leaf):
            self._dissolve(leaf)
            return True
        inputs, outputs = inputs_of(leaf), self._outputs(leaf)
        self._reroll(leaf, set(outputs))
        outputs = self._outputs(leaf)
        layers = as_chain(leaf, inputs, outputs)
        if layers is None:
            if leaf.scope.kind in CONTAINERS and parent is not self._root and len(parent.items) <= 1 + MOST_AROUND:
                self._dissolve(leaf)
                return True
            return False
        key = tuple(layer for layer in layers if layer.weights) or tuple(layers)
        if key not in self._sequences:
            self._sequences[key] = sequence_of(layers, "nn.SequentialCell", "", leaf.path)
        member = self._sequences[key]
        outputs[0].path = leaf.path
        statement = Assign((outputs[0],), Call(member, (inputs[0],)))
        self._locations.moved |= dict.fromkeys(leaf.items, statement) | dict.fromkeys(layers, member)
        self._instead[leaf] = [statement]
        return True

    def _dissolve(self, leaf: Region) -> None:
        if len(leaf.items) == 1 and not leaf.inner():  # the module is only this layer, which takes the module's name
            for value in defined_by(leaf.statements[0]):
                value.path = leaf.path
            for member in members_of(leaf):
                if self._uses[member] > 1:  # several modules call it: it keeps the name of the first
                    continue
                if len(member.hint) < len(leaf.path) or member.hint.startswith(f"{leaf.path}."):
                    member.hint = leaf.path
        self._instead[leaf] = leaf.items

    def _make_classes(self, leaves: list[Region], parents: dict[Region, Region]) -> None:
        """Make a class of every group of leaves, and replace the leaves by calls."""
        groups = with_optional_inputs(with_equal_inputs(self._groups(leaves, parents)))
        repeated = {group.model.region.scope.kind for group in groups if len(group.instances) > 1}
        touched: dict[Region, None] = {}
        fresh: dict[Variable, Variable] = {}
        for group in groups:
            if not group.model.region.scope.kind and FEW <= len(group.instances) <= MANY:
                for instance in outliers(group) if arguments_of(group) > MOST_ARGUMENTS else ():
                    group.instances.remove(instance)
                    self._dissolve(instance.region)
                    touched[parents[instance.region]] = None
            together = Counter(parents[instance.region] for instance in group.instances)
            kind = group.model.region.scope.kind
            small = is_small(group, kind in repeated or kind in self._names, max(together.values()))
            for instance in group.instances:
                touched[parents[instance.region]] = None
                if small or not instance.outputs:
                    self._dissolve(instance.region)
            if not small and group.model.outputs:
                fresh |= self._make_class(group)
        self._replace_all(parents)
        for statement in statements_of(self._root):
            replace_in(statement, fresh)
        self._results = substituted(self._results, fresh)
        self._count_uses()
        for parent in touched:
            self._collapse(parent)

    def _groups(self, leaves: list[Region], parents: dict[Region, Region]) -> list[Group]:
        """Group leaves; where one has a constant in place of an input of the others, it is given the constant."""
        groups = grouped(self._instances(leaves))
        constants = constants_beside_inputs(groups)
        if not constants:
            return groups
        for region, own in constants.items():
            pass_from(parents[region], region, own)
        self._count_uses()
        return grouped(self._instances(leaves))

    def _collapse(self, region: Region) -> None:
        """Turn runs of layers in a region into loops; those with caches make tuples of inputs and of results."""
        self._locations.moved |= collapse_runs(region, self._uses)
        top = self._program.top
        if top.open_ended:
            return
        bundle = bundle_caches(region, self._uses, top.inputs, self._results)
        if bundle is None:
            return
        self._locations.moved |= bundle.moved
        for statement in statements_of(self._root):
            replace_in(statement, bundle.values)
        self._results = results_with(bundle, self._results)
        if bundle.stop == len(top.inputs):
            top.inputs[bundle.start :] = [bundle.past]
            top.open_ended = True
        else:
            whole = Assign((bundle.past,), tuple(top.inputs[bundle.start : bundle.stop]))
            self._root.items.insert(0, whole)
        self._count_uses()

    def _instances(self, leaves: list[Region]) -> list[Instance]:
        """Describe leaves; all calls of one module return every value that is read from any of them."""
        described = [instance_of(leaf, self._outputs(leaf)) for leaf in leaves]
        calls: dict[tuple[Any, ...], list[Instance]] = defaultdict(list)
        for instance in described:
            calls[sharing.identity(instance.signature)].append(instance)
        for same in calls.values():
            if len(same) > 1:
                wanted = {instance.signature.values[value] for instance in same for value in instance.outputs}
                for instance in same:
                    instance.read([value for value, number in instance.signature.values.items() if number in wanted])
        return described

    def _make_class(self, group: Group) -> dict[Variable, Variable]:
        """Make one class and its calls; return a map from an instance's variables to those that its call assigns."""
        before = [list(instance.signature.statements) for instance in group.instances]
        built = build(group, self._program.top.inputs)
        known = self._purposes | purposes_of_given(built.cell, built.members, self._purposes)
        self._purposes[built.cell] = purpose = purpose_of(built.cell, before, known, has_equal_inputs(group))
        built.cell.name = self._names.new(group, purpose)
        built.cell.doc = docstring_of(group, built.cell.name, purpose.text)
        self._cells.append(built.cell)
        self._locations.moved |= built.moved
        self._list_layers(built.cell, built.members)
        fresh: dict[Variable, Variable] = {}
        for instance, member, args in zip(group.instances, built.members, built.args, strict=True):
            region = instance.region
            self._locations.owners |= dict.fromkeys(instance.signature.statements, member)
            for part in instance.signature.members:
                part.owner = member
            call = Call(member, args)
            fresh |= {value: Variable(value.hint, value.dims, region.path) for value in instance.outputs}
            self._instead[region] = [Assign(tuple(fresh[value] for value in instance.outputs), call)]
        return fresh

    def _list_layers(self, cell: Cell, instances: Iterable[Member] = ()) -> None:
        """Find the layers of a class that become lists, and rename their parameters in its instances."""
        self._lists[cell] = lists = find_lists(cell)
        self._locations.listed |= (paths := paths_in(lists))
        names = {element.name: path for element, path in paths.items()}
        for instance in dict.fromkeys(instances):
            instance.weights = {renamed(key, names): weight for key, weight in instance.weights.items()}

    def _finish(self) -> Program:
        """Make the root of the tree the entry class, name its members, and inline within all classes."""
        top = self._program.top
        localize_formulas(self._root.statements, top.inputs)
        self._count_uses()
        self._collapse(self._root)
        if not self._root.inner():
            self._reroll(self._root, {part for part in self._results if isinstance(part, Variable)})
        body = Block(self._root.statements, self._results)
        members = members_of(self._root)
        members += [m for r in self._results if isinstance(m := r, Member) and m not in members]
        names = Namespace(CELL_ATTRIBUTES)
        name_members(members, [hint_within(member, "") for member in members], names)
        name_values(body, "")
        cell = Cell(top.name, top.doc, inputs=top.inputs, members=members, body=body, open_ended=top.open_ended)
        self._list_layers(cell)
        for record in self._program.records:
            self._locations.note_calls(record)
        cells = [*self._cells, cell]
        known: dict[Variable, list[str]] = {}
        for each in cells:
            self._locations.moved |= comprehend(each, self._lists.get(each, ()))
            self._locations.moved |= inline_single_uses(each.body)
            if each is cell:
                release_inputs(each.body, each.inputs)
            name_values_by_role(each, known)
            reuse_variables(each.body, each.inputs, begun=each is not cell)
        name_remaining_values(cells, known)
        for each in cells:
            self._locations.moved |= use_lists(each, self._lists.get(each, ()))
        for record in self._program.records:
            self._locations.follow(record)
        return Program(cells, self._program.records)


def _with_siblings(leaves: list[Region], parents: dict[Region, Region]) -> list[Region]:
    """The leaves beside which all regions of their class in the source are leaves, too: they may be of one form."""
    pending = {(parent, each.scope.kind) for each, parent in parents.items() if each.scope.kind and each.inner()}
    return [leaf for leaf in leaves if (parents[leaf], leaf.scope.kind) not in pending]


def _without_kinds_to_come(ready: list[Region], conflicting: dict[Region, list[Member]]) -> list[Region]:
    """The leaves but for those of whose class others become leaves when parameters are passed to them, as a mask is."""
    given = {leaf for leaf, members in conflicting.items() if members and all("" in m.weights for m in members)}
    kinds = {leaf.scope.kind for leaf in given if leaf.scope.kind}
    return [leaf for leaf in ready if leaf.scope.kind not in kinds]


def _edges(region: Region) -> list[tuple[Region, Region]]:
    """Every pair of a region and an inner region, (parent, child)."""
    return [edge for inner in region.inner() for edge in ((region, inner), *_edges(inner))]


def _replace_all(parents: dict[Region, Region], instead: dict[Region, list[Any]]) -> None:
    """Replace regions by items, in one pass over each parent."""
    for parent in dict.fromkeys(parents[region] for region in instead):
        _replace(parent, instead)


def _replace(parent: Region, instead: dict[Region, list[Any]]) -> None:
    parent.items = [
        each for item in parent.items for each in (instead.get(item, [item]) if isinstance(item, Region) else [item])
    ]
