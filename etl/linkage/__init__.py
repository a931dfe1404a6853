"""The person across agencies: which records of all datasets are of one person, and a number for each person.

Certain first. A record belongs to the person whose id it says, if its name and birth agree with what others say of that
id (`certain`): the same name in any of the ways in which Vietnamese names are written wrongly, and the same day of
birth, or one that differs as slips of the pen do. An id that nobody else says is believed if its own digits agree with
the year of birth. Other numbers that are one person's for life, as that of the insurance card, do the same for records
without an id, unless they point to two persons.

Then what is probable. A record without an id, or with one that is not believed, is compared with every person who is
near by name, birth or place (`probable`). It is linked if one of them is all but certain, with all others who come into
question counted against; if one is likely only, a person decides (`link.review`).

Each person has a number that stays (`number`): it follows from the record that came first, so whoever builds all anew
from the same deliveries finds the same numbers, in whatever order they are worked off.
"""
