"""The domain: tables, rules, and the wall between accounts. It knows neither HTTP nor queues."""
