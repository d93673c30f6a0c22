"""The guardian with real servers, real faults and real traffic."""
