"""`syncd discover`: what a system has today."""

from __future__ import annotations

from syncd.connectors.gohighlevel import KIND
from tests.cli.world import World


def test_custom_fields_as_the_configuration_names_them(world: World) -> None:
    """Custom fields come with the paths that a field's row takes, with what they accept and whether they may be written."""
    result = world.here("discover", "ghl", "--json")
    plan = result.json["collections"]["contacts"]["fields"]["custom.plan"]

    assert 0 == result.code
    assert {"choice", True} == {plan["type"], plan["writable"]}
    assert "platinum" in plan["options"]
    assert "custom.plan" in world.here("discover", "ghl").out


def test_every_collection_is_told_of(world: World) -> None:
    """Those that no sync uses as well, under the names that a member takes, with what can be done with each."""
    told = world.here("discover", "ghl", "--json").json["collections"]

    assert set(KIND.collections) == told.keys()
    assert {"contacts"} == {name for name, each in told.items() if each["syncs"] == ["contacts"]}
    assert [] == [name for name, each in told.items() if each["error"] or not each["fields"]]
    assert {"create": True, "update": False, "delete": False, "incremental": True} == told["messages"]["can"]
    assert ("none", "absence") == (told["businesses"]["webhooks"], told["businesses"]["deletes_visible"])
    assert {"body"} <= set(told["notes"]["required_on_create"])


def test_what_may_be_done_with_each_field(world: World) -> None:
    """In words, for whoever chooses a direction."""
    told = world.here("discover", "ghl", "--json").json["collections"]
    access = {f"{name}.{path}": spec["access"] for name, each in told.items() for path, spec in each["fields"].items()}

    assert "read, write" == access["contacts.firstName"]
    assert "read only" == access["contacts.dateAdded"]
    assert "read; written when made only" == access["tasks.contactId"]
    assert "read, write (not when made)" == access["conversations.starred"]
    assert "written when made only" == access["messages.html"]


def test_calendars_pipelines_users_and_custom_fields(world: World) -> None:
    """With their ids, as values name them; a pipeline's stages below it."""

    def furnish(sandbox) -> None:  # type: ignore[no-untyped-def]
        sandbox.ghl.create_record_as_user("calendars", {"name": "Chair one"})
        person = {"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com", "locationIds": ["SandboxLocation00001"]}
        sandbox.ghl.create_record_as_user("users", person)

    world.do(furnish)
    result, told = world.here("discover", "ghl"), world.here("discover", "ghl", "--json").json
    (pipeline,) = told["pipelines"]

    assert ["Chair one"] == [each["name"] for each in told["calendars"]]
    assert [("Ada Byron", "ada@example.com")] == [(each["name"], each["about"]) for each in told["users"]]
    assert "custom.plan" in [each["name"] for each in told["custom_fields"]]
    assert ["New", "Talking", "Offer"] == [each["name"] for each in pipeline["parts"]]
    assert pipeline["parts"][0]["id"] in told["collections"]["opportunities"]["fields"]["pipelineStageId"]["options"]
    assert "ghl: calendars\n  Chair one  " in result.out
    assert "    Talking" in result.out


def test_one_collection_alone(world: World) -> None:
    """For a screen that is not long; a typo gets its suggestion."""
    alone, typo = world.here("discover", "ghl", "tasks"), world.here("discover", "ghl", "task")

    assert 0 == alone.code
    assert ("ghl/tasks" in alone.out, "ghl/notes" in alone.out, "pipelines" in alone.out) == (True, False, False)
    assert "one cannot be made without completed, contactId, dueDate, title" in alone.out
    assert 1 == typo.code
    assert "did you mean `tasks`?" in typo.err


def test_what_the_token_does_not_open_hides_nothing_else(world: World) -> None:
    """One scope less: said where it shows, with the scope's name; all else is there."""
    world.do(lambda sandbox: sandbox.ghl.oauth.narrow("users.readonly"))
    result, told = world.here("discover", "ghl"), world.here("discover", "ghl", "--json").json

    assert 0 == result.code
    assert "needs users.readonly" in told["users"]["hint"]
    assert "not to be seen: the token lacks a scope: list-users-by-location needs users.readonly" in result.out
    assert "custom.plan" in result.out
    assert isinstance(told["calendars"], list)


def test_a_token_that_opens_nothing(world: World) -> None:
    """It ends as an authentication that failed."""
    (world.folder / "ghl-token").write_text("wrong\n")

    assert 4 == world.here("discover", "ghl", "contacts").code


def test_every_list_field(world: World) -> None:
    """The other vendor's fields are told in the same way."""
    (told,) = world.here("discover", "octopus", "--json").json["collections"].values()

    assert {"email_address", "fields.FirstName", "fields.Plan", "tags"} <= told["fields"].keys()


def test_every_list_of_the_account(world: World) -> None:
    """Also those that no sync uses, by the ids that a member takes, each with its fields and all of its tags, page after page."""

    def furnish(sandbox) -> str:  # type: ignore[no-untyped-def]
        other = sandbox.octopus.add_list("Leads")
        mailing_list = sandbox.octopus._lists[other]
        mailing_list.rename_field("Plan", None)
        mailing_list.tags.update({f"tag{number:03}": None for number in range(230)})
        return str(other)

    other = world.do(furnish)
    used = world.do(lambda sandbox: sandbox.octopus.list_id)
    result, told = world.here("discover", "octopus"), world.here("discover", "octopus", "--json").json
    first, second = told["lists"]
    parts = [{part["name"]: part for part in each["parts"]} for each in (first, second)]

    assert [("Everyone", used), ("Leads", other)] == [(each["name"], each["id"]) for each in (first, second)]
    assert [f"contacts@{used}"] == list(told["collections"])
    assert {"fields.FirstName", "fields.Plan"} <= parts[0].keys()
    assert ("fields.FirstName" in parts[1], "fields.Plan" in parts[1]) == (True, False)
    assert ["customer", "newsletter", "vip"] == [tag["name"] for tag in parts[0]["tags"]["parts"]]
    assert 233 == len({tag["name"] for tag in parts[1]["tags"]["parts"]})
    assert "octopus: lists\n" in result.out
    assert other in result.out


def test_what_polls_cannot_see(world: World) -> None:
    """It is said beneath the fields."""
    assert "A deletion shows by its webhook, or by absence from a complete pass." in world.here("discover", "octopus").out


def test_a_system_nobody_configured(world: World) -> None:
    """The message names those there are."""
    result = world.here("discover", "octopuss")

    assert 1 == result.code
    assert "ghl, octopus" in result.err
