"""Named checks that send real packets through a lab and compare what is seen with what must be."""
