"""The invented people of the sample day."""

from governor.demo.script import Person

PEOPLE = {
    person.id: person
    for person in (
        Person("Anna", "Berlin", "DE", "Europe/Berlin"),
        Person("Ben", "Berlin", "DE", "Europe/Berlin"),
        Person("Chloé", "Paris", "FR", "Europe/Paris", holiday=True),
        Person("Dave", "New York", "US", "America/New_York"),
        Person("Emma", "the USA", "US"),
        Person("Femi", "London", "GB", "Europe/London", agreed="soft_opt_in"),
        Person("Greta", "Hamburg", "DE", "Europe/Berlin", agreed=None),
        Person("Hugo", "Lyon", "FR", "Europe/Paris", holiday=True),
        Person("Ines", "Madrid", "ES", "Europe/Madrid"),
        Person("Jonas", "Vienna", "AT", "Europe/Vienna"),
        Person("Kenji", "Tokyo", "JP", "Asia/Tokyo"),
        Person("Liv", "Oslo", "NO", "Europe/Oslo", wants_little=True),
        Person("Mia", "Munich", "DE", "Europe/Berlin", personal=False),
        Person("Nora", "Helsinki", "FI", "Europe/Helsinki", grieves=True),
        Person("Otto", "Cologne", "DE", "Europe/Berlin", household="canal-street-7"),
        Person("Paula", "Cologne", "DE", "Europe/Berlin", household="canal-street-7"),
    )
}
