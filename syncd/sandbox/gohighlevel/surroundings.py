"""What surrounds a location's records: itself, its agency, its tags and fields, blogs, associations, snapshots.

`furnish` gives a new location what only people can make in the vendor's own screens: a pipeline, a workflow, a campaign, a blog.

Rule: what the API cannot make is there from the start, with ids that do not depend on chance.

It must not know requests or shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.sandbox.gohighlevel.deeds import DONE, Deed, Scene, creating, deleting, getting, listing, updating
from syncd.sandbox.gohighlevel.errors import refuse
from syncd.sandbox.gohighlevel.reading import DefinedField
from syncd.sandbox.gohighlevel.records import Records
from syncd.sandbox.options import CustomField, GoHighLevelOptions
from syncd.sandbox.truth import Json

COMPANY_ID = "SandboxCompany000001"


def _own_location(options: GoHighLevelOptions) -> Json:
    settings = {
        "allowDuplicateContact": options.allow_duplicates,
        "allowDuplicateOpportunity": False,
        "allowFacebookNameMerge": False,
        "disableContactTimezone": False,
    }
    told = {"companyId": COMPANY_ID, "name": "Sandbox location"}
    return {**told, "country": options.country, "timezone": options.timezone, "settings": settings}


def furnish(records: Records, options: GoHighLevelOptions) -> None:
    """What is there before anybody calls."""
    here = {"locationId": options.location_id}
    stages = [{"id": f"SandboxStage00000000{number}", "name": name} for number, name in enumerate(("New", "Talking", "Offer"), start=1)]
    records.furnish("locations", options.location_id, _own_location(options))
    records.furnish("pipelines", "SandboxPipeline00001", {**here, "name": "Sales", "stages": stages, "showInFunnel": True, "showInPieChart": True})
    records.furnish("workflows", "SandboxWorkflow00001", {**here, "name": "Welcome", "status": "published", "version": 1})
    records.furnish("campaigns", "SandboxCampaign00001", {**here, "name": "Follow up", "status": "published"})
    records.furnish("snapshots", "SandboxSnapshot00001", {"name": "Starter", "type": "own"})
    records.furnish("companies", COMPANY_ID, {"name": "Sandbox agency", "country": options.country, "timezone": options.timezone, "locationCount": 1})
    records.furnish("blogs", "SandboxBlog000000001", {**here, "name": "News"})
    records.furnish("authors", "SandboxAuthor0000001", {**here, "name": "Ada Vance", "canonicalLink": "https://example.com/ada"})
    links = {"name": "Updates", "label": "Updates", "urlSlug": "updates", "canonicalLink": "https://example.com/updates"}
    records.furnish("categories", "SandboxCategory00001", {**here, **links})


def _locations(scene: Scene) -> Json:
    return {"locations": scene.cut(scene.records.rows("locations"), default=10)}


def _tag(scene: Scene, name: str) -> Json:
    return {"tag": {"id": f"tag-{name}", "name": name, "locationId": scene.options.location_id}}


def _known_tag(scene: Scene) -> str:
    name = scene.ids["tagId"].removeprefix("tag-")
    if name not in scene.location.tag_names():
        raise refuse(scene.options.missing_status, f"Tag with id {scene.ids['tagId']} not found")
    return name


def _make_tag(scene: Scene) -> Json:
    name = scene.body["name"].strip().lower()
    if name in scene.location.tag_names():
        raise refuse(400, "The tag name is already exist.")
    scene.location.made_tags.add(name)
    return _tag(scene, name)


def _get_tag(scene: Scene) -> Json:
    return _tag(scene, _known_tag(scene))


def _rename_tag(scene: Scene) -> Json:
    _replace_tag(scene, _known_tag(scene), scene.body["name"].strip().lower())
    return _tag(scene, scene.body["name"].strip().lower())


def _remove_tag(scene: Scene) -> Json:
    _replace_tag(scene, _known_tag(scene), None)
    return DONE


def _replace_tag(scene: Scene, old: str, new: str | None) -> None:
    """A location's tag is every contact's: renamed or removed everywhere."""
    scene.location.made_tags.discard(old)
    if new is not None:
        scene.location.made_tags.add(new)
    for contact in [each for each in scene.location.all() if old in each.tags]:
        tags = [new if tag == old else tag for tag in contact.tags]
        scene.location.update(contact.id, {"tags": [tag for tag in tags if tag is not None]}, scene.author, exact=True)


def _field(scene: Scene, defined: DefinedField) -> Json:
    told = {
        "id": defined.id,
        "name": defined.field.name,
        "fieldKey": f"{defined.model}.{defined.field.key}",
        "dataType": defined.field.data_type,
        "picklistOptions": list(defined.field.options),
        "locationId": scene.options.location_id,
        "model": defined.model,
    }
    return {"customField": told, **DONE}


def _known_field(scene: Scene) -> DefinedField:
    defined = scene.location.fields.get(scene.ids["id"])
    if defined is None:
        raise refuse(scene.options.missing_status, f"Custom field with id {scene.ids['id']} not found")
    return defined


def _make_field(scene: Scene) -> Json:
    key = "_".join(scene.body["name"].lower().split())
    field = CustomField(key=key, name=scene.body["name"], data_type=scene.body["dataType"], options=_options(scene.body))
    return _keep_field(scene, DefinedField(id=scene.records.new_id(), field=field, model=scene.body.get("model", "contact")))


def _get_field(scene: Scene) -> Json:
    return _field(scene, _known_field(scene))


def _change_field(scene: Scene) -> Json:
    known = _known_field(scene)
    options = _options(scene.body) or known.field.options
    field = CustomField(key=known.field.key, name=scene.body.get("name", known.field.name), data_type=known.field.data_type, options=options)
    return _keep_field(scene, DefinedField(id=known.id, field=field))


def _remove_field(scene: Scene) -> Json:
    del scene.location.fields[_known_field(scene).id]
    return DONE


def _keep_field(scene: Scene, defined: DefinedField) -> Json:
    scene.location.fields[defined.id] = defined
    return _field(scene, defined)


def _options(body: Json) -> tuple[str, ...]:
    return tuple(each if isinstance(each, str) else str(each.get("label", "")) for each in body.get("textBoxListOptions") or ())


def _associations(scene: Scene) -> Json:
    """The specification shows one association where a list is asked for, and so does this."""
    return next(iter(scene.cut(scene.records.rows("associations"))), {})


def _association_by(name: str, *fields: str) -> Deed:
    def run(scene: Scene) -> Json:
        wanted = scene.ids[name]
        for row in scene.records.rows("associations"):
            if wanted in [row.get(field) for field in fields]:
                return row
        raise refuse(scene.options.missing_status, f"association with {name} {wanted} not found")

    return run


def _relate(scene: Scene) -> Json:
    association = scene.records.get("associations", scene.body["associationId"])
    made = scene.records.create("relations", scene.fields(), scene.author)
    return {**association, "id": made["id"]}


def _unrelate(scene: Scene) -> Json:
    gone = scene.records.delete("relations", scene.last_id, scene.author)
    return {**scene.records.get("associations", gone["associationId"]), "id": gone["id"]}


def _relations(scene: Scene) -> Json:
    record_id = scene.ids["recordId"]
    rows = [row for row in scene.records.rows("relations") if record_id in (row["firstRecordId"], row["secondRecordId"])]
    found = scene.cut(rows)
    return {**scene.records.get("associations", found[0]["associationId"]), "id": found[0]["id"]} if found else {}


def _slug_exists(scene: Scene) -> Json:
    rows = scene.records.rows("posts", {"urlSlug": scene.query["urlSlug"]})
    return {"exists": any(row["id"] != scene.query.get("postId") for row in rows)}


def _share(scene: Scene) -> Json:
    record_id = scene.records.new_id()
    return {"id": record_id, "shareLink": f"https://example.com/snapshot/share/{record_id}"}


DEEDS: Mapping[str, Deed] = {
    "list-locations": _locations,
    "create-location": creating("locations"),
    "get-company": getting("companies", "company"),
    "list-workflows": listing("workflows", "workflows"),
    "list-campaigns": listing("campaigns", "campaigns", "status"),
    "list-snapshots": listing("snapshots", "snapshots"),
    "create-snapshot-share-link": _share,
    "get-snapshot-push": lambda _scene: {"data": []},
    "get-last-snapshot-push": lambda _scene: {"data": {}},
    "create-location-tag": _make_tag,
    "get-location-tag": _get_tag,
    "update-location-tag": _rename_tag,
    "delete-location-tag": _remove_tag,
    "create-custom-field": _make_field,
    "get-custom-field": _get_field,
    "update-custom-field": _change_field,
    "delete-custom-field": _remove_field,
    "find-associations": _associations,
    "get-association": getting("associations"),
    "get-association-key": _association_by("key_name", "key"),
    "get-association-by-keys": _association_by("objectKey", "firstObjectKey", "secondObjectKey"),
    "create-association": creating("associations", associationType="USER_DEFINED"),
    "update-association": updating("associations"),
    "delete-association": deleting("associations"),
    "create-relation": _relate,
    "delete-relation": _unrelate,
    "get-relations-by-record": _relations,
    "get-blogs-by-location": listing("blogs", "data"),
    "get-blog-authors": listing("authors", "authors"),
    "get-blog-categories": listing("categories", "categories"),
    "get-blog-posts": listing("posts", "blogs", "blogId", "status"),
    "create-blog-post": creating("posts", "data", archived=False),
    "update-blog-post": updating("posts", "updatedBlogPost"),
    "check-blog-url-slug": _slug_exists,
}
